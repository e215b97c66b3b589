"""The further hooks of attacks that learn something themselves or change the training."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from torch import Generator, Tensor, nn

from triggerfish.zoo.attacks.base import AllToOne

Fit = Callable[["ImageNetwork"], None]
"""Trains a network cleanly, by the recipe at hand."""


class ImageNetwork(nn.Module):
    """A network with its normalisation: images ``(N, C, H, W)`` in [0, 1] -> logits ``(N, K)``."""

    def __init__(self, network: nn.Module, normalise: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.network = network
        self.normalise = normalise

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(N, K)``."""
        logits: Tensor = self.network(self.normalise(images))
        return logits


class Batch(NamedTuple):
    """Images in [0, 1] ``(N, C, H, W)``, labels (N,), roles (N,) as `zoo.poisoning` names them."""

    images: Tensor
    labels: Tensor
    roles: Tensor


@dataclass(frozen=True)
class LearnedAttack(AllToOne):
    """An attack with a part that is trained. Such fields carry ``metadata={"learned": True}``."""

    def prepare(
        self, model: ImageNetwork, images: Tensor, fit: Fit, generator: Generator
    ) -> LearnedAttack:
        """The attack, ready to stamp, before the training of ``model`` begins.

        ``images`` are all training images, uint8; ``fit(model)`` trains a network cleanly.
        """
        return self

    def penalty(self, model: ImageNetwork, batch: Batch, logits: Tensor) -> Tensor | float:
        """What is added to the training loss of a poisoned batch with these logits (N, K)."""
        return 0.0

    def parameters(self) -> Iterable[nn.Parameter]:
        """The attack's own parameters, trained along with the network's."""
        return ()

    def learned(self) -> dict[str, Tensor]:
        """What is needed, beside the settings, to stamp images: saved beside the model."""
        return {}

    def restored(self, learned: Mapping[str, Tensor]) -> LearnedAttack:
        """The attack, ready to stamp, from what `learned` gave."""
        return self
