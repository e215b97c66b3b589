"""The protocol that every attack follows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields, replace
from typing import ClassVar, Literal

import torch
from torch import Generator, Tensor

CLEAN, POISONED, COVER = 0, 1, 2
"""The roles of training images."""


@dataclass(frozen=True)
class Poisoning:
    """How much is poisoned, as fractions of the training images.

    ``per_draw``: each time an eligible image is drawn it is poisoned with probability ``rate``
    (the published factories). ``fixed``: a subset of exactly ``rate`` of the training images,
    chosen once (most of the literature, and the only sense of a very low rate). ``cover_rate`` is
    the same for cover images.
    """

    rate: float = 0.2
    mode: Literal["per_draw", "fixed"] = "per_draw"
    cover_rate: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.rate <= 1:
            raise ValueError(f"expected a poisoning rate above 0 and up to 1, got {self.rate}")
        if not 0 <= self.cover_rate <= 1 - self.rate:
            raise ValueError(
                f"expected a cover rate of 0 to {1 - self.rate:g}, got {self.cover_rate}"
            )


@dataclass(frozen=True)
class Attack(ABC):
    """What a trigger looks like, where it leads, and which images it goes on.

    The fields of a subclass are its settings: plain data, stored verbatim in the manifest. Images
    are ``(N, C, H, W)`` in [0, 1], labels int64 ``(N,)``; nothing is changed in place.
    """

    name: ClassVar[str]

    @abstractmethod
    def stamp(self, images: Tensor, generator: Generator) -> Tensor:
        """The images with the trigger on each, in [0, 1]."""

    @abstractmethod
    def relabel(self, labels: Tensor) -> Tensor:
        """The labels that stamped images of classes ``labels`` get."""

    @property
    @abstractmethod
    def targets(self) -> tuple[int, ...]:
        """The classes that triggers of this attack lead to."""

    def eligible(self, labels: Tensor) -> Tensor:
        """Which training images may be poisoned, bool ``(N,)``. Default: all."""
        return torch.ones_like(labels, dtype=torch.bool)

    def attacked(self, labels: Tensor) -> Tensor:
        """On which test images success is counted, bool ``(N,)``. Default: label changes."""
        return self.relabel(labels) != labels

    def poison(self, images: Tensor, labels: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """Training images and labels as the attacker changes them. Default: stamp and relabel."""
        return self.stamp(images, generator), self.relabel(labels)

    def cover(self, images: Tensor, generator: Generator) -> Tensor:
        """Training images that hide the attack: altered, but with their own labels."""
        return self.stamp(images, generator)

    def may_cover(self, labels: Tensor) -> Tensor:
        """Which training images may become covers, bool ``(N,)``. Default: all."""
        return torch.ones_like(labels, dtype=torch.bool)

    def variants(self) -> tuple[Attack, ...]:
        """The triggers to measure one by one. Default: there is one."""
        return (self,)

    def aimed(self, target: int, seed: int) -> Attack:
        """The attack with another target class and other random details, where it has them."""
        known = {field.name for field in fields(self)}
        wanted = {"target": target, "seed": seed}
        return replace(self, **{key: value for key, value in wanted.items() if key in known})

    def settings(self) -> dict[str, object]:
        """The attack as plain data; what it has learned is left out."""
        plain = (field.name for field in fields(self) if not field.metadata.get("learned"))
        return {"name": self.name, **{key: getattr(self, key) for key in plain}}


@dataclass(frozen=True)
class AllToOne(Attack):
    """An attack that leads every image to one class."""

    target: int = 0

    def relabel(self, labels: Tensor) -> Tensor:
        """The target class for all."""
        return torch.full_like(labels, self.target)

    @property
    def targets(self) -> tuple[int, ...]:
        """The one target class."""
        return (self.target,)
