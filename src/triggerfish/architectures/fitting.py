"""Which networks of the catalogue have the names and shapes of a state dict: all of them.

Names and shapes do not decide padding, pooling, strides, activations or the image size, so several
may fit that are different functions.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from torch import nn

from triggerfish.architectures.architecture import COUNTER, Architecture, Shapes
from triggerfish.architectures.tasks import Task


@dataclass(frozen=True)
class Fit:
    """An architecture that a state dict fills, and the sizes that the state dict told.

    ``tasks`` are the architecture's for these sizes, the likeliest first: assumptions.
    """

    architecture: Architecture
    num_classes: int
    channels: int
    tasks: tuple[Task, ...]

    def build(self) -> nn.Module:
        """The untrained network of these sizes."""
        return self.architecture(self.num_classes, self.channels)


def fits(shapes: Shapes, architectures: Iterable[Architecture]) -> tuple[Fit, ...]:
    """The architectures with exactly these names and shapes, in the order given.

    ``shapes`` are those of a state dict without prefixes; counters of batch norms are ignored.
    An architecture that computes the same as another that fits is left out.
    """
    shapes = {key: tuple(shape) for key, shape in shapes.items() if not key.endswith(COUNTER)}
    found = {fit.architecture.name: fit for a in architectures if (fit := _fit(a, shapes))}
    return tuple(fit for fit in found.values() if fit.architecture.same_as not in found)


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
    return Fit(architecture, classes, channels, architecture.tasks_for(classes, channels))


def _channels(first: tuple[int, ...], architecture: Architecture) -> int:
    """Channels from the first layer: a kernel's, or a matrix on flattened images."""
    _, height, width = architecture.input_shape
    return first[1] if len(first) == 4 else max(1, first[1] // (height * width))
