"""Channel Lipschitz pruning (Zheng, Tang, Li and Liu, ECCV 2022): no data, no search, no training.

A channel's Lipschitz bound is the largest singular value of its kernel (C_in, kh * kw), times what
the batch norm behind it multiplies with. Channels whose bound is more than ``u`` standard
deviations above the mean of their layer are switched off. The publication takes u = 3 on CIFAR-10.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from itertools import zip_longest
from typing import ClassVar

import torch
from torch import Tensor, nn

from triggerfish.errors import UnsupportedModelError
from triggerfish.model.classifier import Classifier
from triggerfish.repairs.method import RepairMethod, Task


@dataclass(frozen=True)
class ChannelPruning(RepairMethod):
    """Switch off channels that amplify far more than the others of their layer."""

    name: ClassVar[str] = "channel-pruning"
    summary: ClassVar[str] = "channel Lipschitz pruning, Zheng et al. 2022"

    u: float = 3.0

    def __post_init__(self) -> None:
        if self.u <= 0:
            raise ValueError(f"expected u > 0, got {self.u}")

    @property
    def tried(self) -> str:
        """What was done, for the words about a repair that failed."""
        return f"channels more than {self.u:g} standard deviations above their layer's mean are off"

    def __call__(self, classifier: Classifier, task: Task, seed: int = 0) -> nn.Module:
        """A pruned copy; neither ``task`` nor ``seed`` matter.

        Raises `UnsupportedModelError` for a network without convolutions.
        """
        assert isinstance(classifier.model, nn.Module)
        model = copy.deepcopy(classifier.model)
        pairs = _convolutions(model)
        if not pairs:
            raise UnsupportedModelError(
                "channel-pruning needs convolutions, and this network has none: "
                "use --method unlearning"
            )
        for convolution, norm in pairs:
            self._prune(convolution, norm)
        return model

    @torch.no_grad()
    def _prune(self, convolution: nn.Conv2d, norm: nn.BatchNorm2d | None) -> None:
        bound = lipschitz_bounds(convolution, norm)
        off = bound > bound.mean() + self.u * bound.std()
        scaled: nn.Module = convolution if norm is None else norm
        for name in ("weight", "bias"):
            parameter = getattr(scaled, name)
            if parameter is not None:
                parameter[off] = 0.0


def lipschitz_bounds(convolution: nn.Conv2d, norm: nn.BatchNorm2d | None) -> Tensor:
    """Largest singular value of every channel's kernel as a matrix (C_in, kh * kw), (C_out,)."""
    bound: Tensor = torch.linalg.matrix_norm(convolution.weight.flatten(2), ord=2)
    if norm is not None and norm.running_var is not None and norm.weight is not None:
        bound = bound * (norm.weight / (norm.running_var + norm.eps).sqrt()).abs()
    return bound


def _convolutions(model: nn.Module) -> list[tuple[nn.Conv2d, nn.BatchNorm2d | None]]:
    """Each convolution with the batch norm that comes next in the network and fits it."""
    modules = [m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.BatchNorm2d))]
    pairs: list[tuple[nn.Conv2d, nn.BatchNorm2d | None]] = []
    for module, after in zip_longest(modules, modules[1:]):
        if isinstance(module, nn.Conv2d):
            norm = after if isinstance(after, nn.BatchNorm2d) else None
            fits = norm is not None and norm.num_features == module.out_channels
            pairs.append((module, norm if fits else None))
    return pairs
