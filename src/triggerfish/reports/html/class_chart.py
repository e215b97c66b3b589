"""All classes as bars, each against its own level: coordinates for an SVG drawing."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass

from triggerfish.reports.words import label
from triggerfish.results import Scanned, Status
from triggerfish.results.deciding import deciding_rows

WIDTH, HEIGHT = 720.0, 240.0  # of the drawing, in its own units
LEFT, RIGHT, TOP, BOTTOM = 40.0, 96.0, 22.0, 30.0  # the threshold's name is on the right
MOST_LABELS = 30
MOST_SENTENCES = 5


@dataclass(frozen=True)
class Bar:
    """One class: a rectangle, or a mark on the zero line where it was not measured.

    ``level`` is the height of the level that decided about it, None where that is the chart's.
    """

    x: float
    y: float
    width: float
    height: float
    k: int
    words: str
    flagged: bool
    measured: bool
    labelled: bool
    level: float | None = None


@dataclass(frozen=True)
class ClassChart:
    """``zero`` and ``threshold`` are heights, None where there is no threshold.

    ``own_levels`` are sentences on the bars that have a level of their own.
    """

    bars: tuple[Bar, ...]
    zero: float
    threshold: float | None
    threshold_value: float
    ticks: tuple[tuple[float, str], ...]
    own_levels: tuple[str, ...]
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT
    bottom: float = HEIGHT - BOTTOM


def class_chart(result: Scanned) -> ClassChart:
    """Bars in the order of the classes. The scale reaches the threshold at least.

    A class that another test than the rest's decided about has that test's score and level.
    """
    verdict = result.verdict
    rows = deciding_rows(verdict)
    scores = [math.nan if row is None else row.score for row in rows]
    levels = [None if row is None else row.flag_at for row in rows]
    finite = [v for v in scores if math.isfinite(v)]
    finite_levels = [v for v in levels if v is not None and math.isfinite(v)]
    threshold_value = statistics.mode(finite_levels) if finite_levels else verdict.threshold
    known = math.isfinite(threshold_value)
    high = max([0.0, *finite, *finite_levels]) * 1.05 or 1.0
    low = min([0.0, *finite]) * 1.05
    span = high - low

    def height_of(value: float) -> float:
        return TOP + (high - value) / span * (HEIGHT - TOP - BOTTOM)

    step = (WIDTH - LEFT - RIGHT) / max(1, len(scores))
    bars = []
    for k, (value, level) in enumerate(zip(scores, levels, strict=True)):
        own = level is not None and math.isfinite(level) and level != threshold_value
        measured = math.isfinite(value)
        top, zero = height_of(max(value, 0.0) if measured else 0.0), height_of(0.0)
        end = height_of(min(value, 0.0)) if measured else zero
        flagged = k in verdict.flagged
        status = result.scores.status[k]
        ended = "not judged" if status is Status.CONVERGED else status.value.replace("_", " ")
        said = f"{value:.2f}" if measured else ended
        bars.append(
            Bar(
                x=round(LEFT + k * step + 0.1 * step, 2),
                y=round(top, 2),
                width=round(0.8 * step, 2),
                height=round(max(end - top, 1.0), 2),
                k=k,
                words=f"class {label(k, result.class_names)}: {said}",
                flagged=flagged,
                measured=measured,
                labelled=flagged or len(scores) <= MOST_LABELS,
                level=round(height_of(level), 2) if own and level is not None else None,
            )
        )
    ticks = tuple((round(height_of(v), 2), f"{v:g}") for v in _ticks(low, high))
    threshold = round(height_of(threshold_value), 2) if known else None
    own_levels = tuple(
        f"The dashed line across the bar of class {label(bar.k, result.class_names)} is its own "
        f"threshold, {row.flag_at:.2f}: another test decides about it ({row.test})."
        for bar, row in zip(bars, rows, strict=True)
        if bar.level is not None and row is not None
    )
    return ClassChart(
        bars=tuple(bars),
        zero=round(height_of(0.0), 2),
        threshold=threshold,
        threshold_value=threshold_value,
        ticks=ticks,
        own_levels=own_levels[:MOST_SENTENCES],
    )


def _ticks(low: float, high: float) -> list[float]:
    """About four round numbers between the ends."""
    raw = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= raw)
    return [round(i * step, 10) for i in range(math.ceil(low / step), int(high // step) + 1)]
