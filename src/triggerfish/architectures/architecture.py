"""What the catalogue knows of one published network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import nn

from triggerfish.architectures.tasks import Shape, Task

Shapes = Mapping[str, tuple[int, ...]]

# Old checkpoints lack this counter of batch norms, and it does not enter the output.
COUNTER = "num_batches_tracked"

# (num_classes, channels) -> untrained network; further arguments are the network's own.
Factory = Callable[..., nn.Module]


@dataclass(frozen=True)
class Architecture:
    """A published network, and the task that it is usually trained for.

    ``source`` is where the definition was published. ``first`` and ``last`` are the layers, by the
    names of the original, that have a column a channel and a row a class. ``tensors`` is the size
    of the state dict without the counters of batch norms. ``tasks``, the usual one first, hold
    what a state dict cannot tell: image size, mean, std and range are *assumptions*. ``same_as``
    names the entry that computes the same in evaluation mode, if one does.
    """

    name: str
    summary: str
    source: str
    factory: Factory
    tasks: tuple[Task, ...]
    first: str
    last: str
    tensors: int
    same_as: str | None = None

    @property
    def input_shape(self) -> Shape:
        """(C, H, W) of the usual task."""
        return self.tasks[0].input_shape

    def build(
        self, num_classes: int | None = None, channels: int | None = None, **arguments: object
    ) -> nn.Module:
        """The untrained network, for the usual task unless told otherwise."""
        return self.factory(
            num_classes or self.tasks[0].num_classes, channels or self.input_shape[0], **arguments
        )

    __call__ = build

    def shapes(self, num_classes: int, channels: int) -> Shapes:
        """Names and shapes of the state dict, without the counters of batch norms.

        Raises `ValueError` where there is no such network.
        """
        return _shapes(self.factory, num_classes, channels)

    def tasks_for(self, num_classes: int, channels: int) -> tuple[Task, ...]:
        """The tasks of these sizes; else those with as many channels; else the usual one, adapted.

        Never empty, the likeliest first.
        """
        fitting = tuple(task for task in self.tasks if task.input_shape[0] == channels)
        exact = tuple(task for task in fitting if task.num_classes == num_classes)
        return exact or fitting or (self.tasks[0].with_channels(channels),)


@lru_cache(maxsize=512)
def _shapes(factory: Factory, num_classes: int, channels: int) -> Shapes:
    try:
        with torch.device("meta"):
            network = factory(num_classes, channels)
    except (RuntimeError, ZeroDivisionError) as error:
        raise ValueError(f"expected a network to exist, got {error}") from error
    state = network.state_dict()
    return {key: tuple(value.shape) for key, value in state.items() if not key.endswith(COUNTER)}
