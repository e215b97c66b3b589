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

from triggerfish.repairs.whitening import Direction

MOMENTUM = 0.9


@dataclass
class ShortSteps:
    """Moves ``parameters`` by ``2 length``, falling to 0 over ``steps``; ``length`` on average.

    Each is a parameter and how it moves (`whitening.whitened`): a step along ``D`` for the mean
    gradient ``M`` has the length ``sqrt(sum(D * M))``, the norm of what C^(1/2) leaves of it.
    """

    parameters: Sequence[tuple[Tensor, Direction]]
    length: float
    steps: int
    taken: int = 0
    means: list[Tensor] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.means = [torch.zeros_like(parameter) for parameter, _ in self.parameters]

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor]) -> None:
        """One step against the ``gradients`` (one per parameter), the past ones counted in."""
        for mean, gradient in zip(self.means, gradients, strict=True):
            mean.lerp_(gradient, 1 - MOMENTUM)
        along = [way(mean) for (_, way), mean in zip(self.parameters, self.means, strict=True)]
        pairs = zip(along, self.means, strict=True)
        norm = torch.stack([(way * mean).sum() for way, mean in pairs]).sum().sqrt()
        length = 2 * self.length * (1 - self.taken / self.steps)
        self.taken += 1
        if norm > 0:
            for (parameter, _), way in zip(self.parameters, along, strict=True):
                parameter.sub_(way * (length / norm))
