"""The scores of many models as a histogram: coordinates for an SVG drawing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720.0, 200.0, 36.0, 28.0, 20.0, 44.0
MOST_BINS = 30
ORDER = ("clean", "inconclusive", "accepted", "backdoored")  # from the bottom of a bar to its top


@dataclass(frozen=True)
class Block:
    """The models of one outcome in one bin."""

    x: float
    y: float
    width: float
    height: float
    outcome: str
    words: str


@dataclass(frozen=True)
class Histogram:
    """``threshold`` is a place on the axis, None where the models do not share one."""

    blocks: tuple[Block, ...]
    ticks: tuple[tuple[float, str], ...]
    heights: tuple[tuple[float, str], ...]
    threshold: float | None
    threshold_value: float
    outcomes: tuple[str, ...]
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT
    bottom: float = HEIGHT - BOTTOM


def histogram(models: Sequence[tuple[str, float, float]]) -> Histogram | None:
    """Of (outcome, largest anomaly index, threshold); None with fewer than two measured models."""
    measured = [(name, value) for name, value, _ in models if math.isfinite(value)]
    if len(measured) < 2:
        return None
    values = [value for _, value in measured]
    thresholds = {t for _, value, t in models if math.isfinite(value)}
    threshold = thresholds.pop() if len(thresholds) == 1 else math.nan
    marks = [threshold] if math.isfinite(threshold) else []
    step = _step(min([0.0, *values]), max([*values, *marks]))
    first = math.floor(min([0.0, *values]) / step)
    count = math.floor(max([*values, *marks]) / step) - first + 1
    bins: list[dict[str, int]] = [{} for _ in range(count)]
    for name, value in measured:
        cell = bins[math.floor(value / step) - first]
        cell[name] = cell.get(name, 0) + 1
    width, most = (WIDTH - LEFT - RIGHT) / count, max(sum(cell.values()) for cell in bins)
    unit = (HEIGHT - TOP - BOTTOM) / most

    def place(value: float) -> float:
        return round(LEFT + (value / step - first) * width, 1)

    blocks = []
    for i, cell in enumerate(bins):
        low, base = (first + i) * step, HEIGHT - BOTTOM
        for name in (name for name in ORDER if name in cell):
            height = cell[name] * unit
            base -= height
            words = f"{cell[name]} {name}, anomaly index {low:.3g} to {low + step:.3g}"
            blocks.append(Block(place(low) + 0.5, base, width - 1, height, name, words))
    every = max(1, count // 10)
    ticks = ((first + i) * step for i in range(0, count + 1, every))
    return Histogram(
        blocks=tuple(blocks),
        ticks=tuple((place(v), f"{round(v, 6):g}") for v in ticks),
        heights=tuple((HEIGHT - BOTTOM - n * unit, str(n)) for n in sorted({1, most})),
        threshold=place(threshold) if math.isfinite(threshold) else None,
        threshold_value=threshold,
        outcomes=tuple(n for n in ORDER if any(n in cell for cell in bins)),
    )


def _step(low: float, high: float) -> float:
    """A round width of at most 30 bins."""
    raw = max(high - low, 1e-6) / MOST_BINS
    power = 10.0 ** math.floor(math.log10(raw))
    return next(power * m for m in (1, 2, 5, 10) if power * m >= raw)
