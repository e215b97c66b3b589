"""Write docs/architectures.md from the catalogue: ``make docs``."""

from __future__ import annotations

import math
from pathlib import Path

from triggerfish.architectures import ARCHITECTURES, Architecture
from triggerfish.architectures.tasks import Task

TARGET = Path(__file__).parent / "architectures.md"
HEADER = """\
# Networks that open without their code

Made from the catalogue by `make docs`; a test fails when it is out of date.

A state dict holds numbers under names, not a network. When names and shapes are those of a network
below, it opens with nothing but its path; `--arch NAME` says which one it is. A name is
`source_network`, with `_variant` where one source has several.

**Names and shapes do not decide padding, pooling, strides, activations or the image size.** Rows
with the same letter under *shares* cannot be told apart by any state dict, and are different
functions. Mean and std are those that the source trains with, on images in [0, 1] unless said
otherwise: assumptions, never read from the file. Parameters are counted for the first task.

| name | network | usual input | mean | std | other tasks | parameters | shares | source |
|---|---|---|---|---|---|---|---|---|
"""


def document() -> str:
    """The whole document."""
    letters = shared_letters()
    return HEADER + "".join(row(entry, letters) for entry in ARCHITECTURES.values())


def shared_letters() -> dict[str, str]:
    """Entries that agree in names and shapes -> the letter of their group."""
    groups: dict[tuple[object, ...], list[str]] = {}
    for entry in (e for e in ARCHITECTURES.values() if e.same_as is None):
        signature = tuple(sorted(entry.shapes(12, 3).items()))
        groups.setdefault(signature, []).append(entry.name)
    several = [names for names in groups.values() if len(names) > 1]
    return {name: chr(ord("A") + i) for i, names in enumerate(several) for name in names}


def row(entry: Architecture, letters: dict[str, str]) -> str:
    """One line of the table."""
    task = entry.tasks[0]
    shapes = entry.shapes(task.num_classes, task.input_shape[0])
    counted = sum(math.prod(shape) for key, shape in shapes.items() if "running_" not in key)
    others = dict.fromkeys(other.name for other in entry.tasks[1:] if other.name != task.name)
    same = f" (computes the same as `{entry.same_as}`)" if entry.same_as else ""
    cells = (
        f"`{entry.name}`",
        entry.summary + same,
        f"{task.name}, {'x'.join(map(str, task.input_shape))}{_range(task)}",
        _numbers(task.mean),
        _numbers(task.std),
        ", ".join(others),
        f"{counted:,}",
        letters.get(entry.name, ""),
        entry.source,
    )
    return f"| {' | '.join(cells)} |\n"


def _range(task: Task) -> str:
    low, high = task.input_range
    return "" if (low, high) == (0, 1) else f", pixels in [{low:g}, {high:g}]"


def _numbers(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)


if __name__ == "__main__":
    TARGET.write_text(document())
