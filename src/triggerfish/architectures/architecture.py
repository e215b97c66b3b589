"""What the catalogue knows of one published network, and which of them a state dict fills.

Names and shapes do not decide padding, pooling, strides, activations or the image size, so several
may fit that are different functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
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
        """The tasks with as many classes, where there are any, and channels, else adapted to them.

        Never empty, the likeliest first.
        """
        same = [task for task in self.tasks if task.input_shape[0] == channels]
        fitting = same or [task.with_channels(channels) for task in self.tasks]
        exact = [task for task in fitting if task.num_classes == num_classes]
        return tuple(exact or fitting)


@lru_cache(maxsize=512)
def _shapes(factory: Factory, num_classes: int, channels: int) -> Shapes:
    try:
        with torch.device("meta"):
            network = factory(num_classes, channels)
    except (RuntimeError, ZeroDivisionError) as error:
        raise ValueError(f"expected a network to exist, got {error}") from error
    state = network.state_dict()
    return {key: tuple(value.shape) for key, value in state.items() if not key.endswith(COUNTER)}


@dataclass(frozen=True)
class Fit:
    """An architecture that a state dict fills, and the sizes that the state dict told.

    ``tasks`` are the architecture's for these sizes, the likeliest first: assumptions. ``usual``
    says that it is known to be trained for images with that many channels.
    """

    architecture: Architecture
    num_classes: int
    channels: int
    tasks: tuple[Task, ...]
    usual: bool

    def build(self) -> nn.Module:
        """The untrained network of these sizes."""
        return self.architecture(self.num_classes, self.channels)


def fits(shapes: Shapes, architectures: Iterable[Architecture]) -> tuple[Fit, ...]:
    """The architectures with exactly these names and shapes, the usual first.

    ``shapes`` are those of a state dict without prefixes; counters of batch norms are ignored.
    An architecture that computes the same as another that fits is left out.
    """
    shapes = {key: tuple(shape) for key, shape in shapes.items() if not key.endswith(COUNTER)}
    found = {fit.architecture.name: fit for a in architectures if (fit := _fit(a, shapes))}
    different = [fit for fit in found.values() if fit.architecture.same_as not in found]
    return tuple(sorted(different, key=lambda fit: not fit.usual))


def _fit(architecture: Architecture, shapes: Shapes) -> Fit | None:
    first = shapes.get(f"{architecture.first}.weight")
    last = shapes.get(f"{architecture.last}.weight")
    if len(shapes) != architecture.tensors or not first or not last:
        return None  # cheap, and true of nearly all: no skeleton is made
    classes, channels = last[0], _channels(first, architecture)
    try:
        expected = architecture.shapes(classes, channels)
    except ValueError:
        return None  # an architecture may not exist for this many classes or channels
    if expected != shapes:
        return None
    usual = any(task.input_shape[0] == channels for task in architecture.tasks)
    tasks = architecture.tasks_for(classes, channels)
    return Fit(architecture, classes, channels, tasks, usual)


def _channels(first: tuple[int, ...], architecture: Architecture) -> int:
    """Channels from the first layer: a kernel's, or a matrix on flattened images."""
    _, height, width = architecture.input_shape
    return first[1] if len(first) == 4 else max(1, first[1] // (height * width))
