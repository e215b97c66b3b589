"""Steps of one length, ever shorter: how a repair moves weights.

An optimizer that scales every weight's step by itself (Adam) moves all weights by about the same,
those that the backdoor has nothing to do with too. Here the step is along the running mean of the
gradient, whose own length does not matter: the network moves where the lesson leads, a known way
and no further.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

MOMENTUM = 0.9


@dataclass
class ShortSteps:
    """Moves ``parameters`` by ``2 length``, falling to 0 over ``steps``; ``length`` on average."""

    parameters: Sequence[Tensor]
    length: float
    steps: int
    taken: int = 0
    means: list[Tensor] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.means = [torch.zeros_like(p) for p in self.parameters]

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor]) -> None:
        """One step against the ``gradients`` (one per parameter), the past ones counted in."""
        for mean, gradient in zip(self.means, gradients, strict=True):
            mean.lerp_(gradient, 1 - MOMENTUM)
        norm = torch.stack([mean.square().sum() for mean in self.means]).sum().sqrt()
        length = 2 * self.length * (1 - self.taken / self.steps)
        self.taken += 1
        if norm > 0:
            for parameter, mean in zip(self.parameters, self.means, strict=True):
                parameter.sub_(mean * (length / norm))
