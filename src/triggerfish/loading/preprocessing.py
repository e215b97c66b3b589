"""What images are usually turned into before a network sees them, when no source says."""

from __future__ import annotations

from collections.abc import Sequence

from triggerfish.architectures import tasks as usual
from triggerfish.architectures.tasks import Shape, Task
from triggerfish.loading.hints import Hints

_SMALL = 64  # side of images up to which CIFAR's statistics are tried, and ImageNet's beyond
_ALIKE = 0.1  # in units of a pixel's range: means and deviations this close are tried once


def plausible(shape: Shape, tasks: Sequence[Task], keras: bool = False) -> tuple[Hints, ...]:
    """Preprocessings to try for images (C, H, W), the likeliest first, each as assumptions.

    The architecture's own ``tasks`` come first, then what people do with such images: the data
    set's statistics, 0.5 and 0.5, nothing, whole bytes less ImageNet's mean, whole bytes. Keras
    models are not normalised as a rule.
    """
    unit, halved = Task("images in [0, 1]", 0, shape), Task("images in [-1, 1]", 0, shape).halved()
    bytes_ = [usual.CAFFE_IMAGENET, unit.raw()] if _is_photograph(shape) else [unit.raw()]
    general = [*([unit, halved] if keras else [*_usual(shape, halved), unit]), *bytes_]
    fitting = [task for task in tasks if task.input_shape == shape]
    found: list[Task] = []
    for task in (*(() if keras else fitting), *general):
        if not any(_alike(task, other) for other in found):
            found.append(task)
    return tuple(_hints(task, task in fitting) for task in found)


def _usual(shape: Shape, halved: Task) -> list[Task]:
    """The data set's statistics and 0.5; on small colour images the tutorials' 0.5 leads."""
    if shape[0] == 1:
        return [usual.MNIST, halved]
    if shape[0] != 3:
        return [halved]
    return [usual.IMAGENET, halved] if _is_photograph(shape) else [halved, usual.CIFAR10_PIXELS]


def _is_photograph(shape: Shape) -> bool:
    return shape[0] == 3 and max(shape[1:]) > _SMALL


def _alike(one: Task, other: Task) -> bool:
    """Whether both send 0 and 1 to nearly the same values, relative to the range they span."""
    (low, high), (other_low, other_high) = _ends(one), _ends(other)
    span = max(high - low, other_high - other_low)
    return max(abs(low - other_low), abs(high - other_high)) < _ALIKE * span


def _ends(task: Task) -> tuple[float, float]:
    """What black and white become, on average over the channels."""
    mean, std = sum(task.mean) / len(task.mean), sum(task.std) / len(task.std)
    low, high = task.input_range
    return (low - mean) / std, (high - mean) / std


def _hints(task: Task, own: bool) -> Hints:
    return Hints(
        f"usual for {task.name}" if own else f"tried: {task.name}",
        mean=task.mean,
        std=task.std,
        input_range=task.input_range,
        assumed=True,
    )
