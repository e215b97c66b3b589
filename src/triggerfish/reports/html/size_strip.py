"""How large a perturbation is beside those of the other classes: dots on a logarithmic line."""

from __future__ import annotations

import math
from dataclasses import dataclass

from triggerfish.reports.text import sized
from triggerfish.reports.words import UNITS, label, sizes_of
from triggerfish.results import ClassScores, Perturbation, Scanned

WIDTH, LEFT, RIGHT = 640.0, 20.0, 20.0


@dataclass(frozen=True)
class Dot:
    """One class at ``x``; ``own`` is the class of the perturbation."""

    x: float
    words: str
    own: bool


@dataclass(frozen=True)
class SizeStrip:
    """``others`` says the range of the other classes in words, empty when it is not known."""

    dots: tuple[Dot, ...]
    median: float | None
    ticks: tuple[tuple[float, str], ...]
    others: str
    unit: str
    width: float = WIDTH


def size_strip(
    result: Scanned, scores: ClassScores, perturbation: Perturbation
) -> SizeStrip | None:
    """The line; None where the perturbation has no size or there is nothing to compare it with."""
    if not perturbation.size > 0:
        return None
    sizes = sizes_of(scores, perturbation.basis)
    if perturbation.target is not None:
        sizes[perturbation.target] = perturbation.size
    others = [v for k, v in sizes.items() if k != perturbation.target]
    known = [
        *others,
        perturbation.size,
        *([perturbation.median_size] if perturbation.median_size > 0 else []),
    ]
    if len(known) < 2:
        return None
    low, high = math.log10(min(known)) - 0.08, math.log10(max(known)) + 0.08

    def place(value: float) -> float:
        return round(LEFT + (math.log10(value) - low) / (high - low) * (WIDTH - LEFT - RIGHT), 1)

    unit = UNITS[perturbation.basis]
    dots = [
        Dot(
            place(v),
            f"class {label(k, result.class_names)}: {sized(v)} {unit}",
            k == perturbation.target,
        )
        for k, v in sizes.items()
    ]
    if perturbation.target is None:
        dots.append(
            Dot(place(perturbation.size), f"this pattern: {sized(perturbation.size)} {unit}", True)
        )
    return SizeStrip(
        dots=tuple(sorted(dots, key=lambda dot: dot.own)),
        median=place(perturbation.median_size) if perturbation.median_size > 0 else None,
        ticks=tuple((place(v), f"{v:g}") for v in _round_numbers(low, high)),
        others=f"other classes {sized(min(others))} to {sized(max(others))}" if others else "",
        unit=unit,
    )


def _round_numbers(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten between two logarithms; powers alone over long spans."""
    steps = (1, 2, 5) if high - low < 2 else (1,)
    powers = range(math.floor(low), math.ceil(high) + 1)
    values = [m * 10.0**p for p in powers for m in steps]
    return [v for v in values if low <= math.log10(v) <= high]
