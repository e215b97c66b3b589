"""A confirmation test as a page shows it: beside perturbations of the same size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from triggerfish.reports.confirmations import (
    controls_in_short,
    meaning_of,
    measured,
    result_of,
)
from triggerfish.reports.html.size_strip import LEFT, RIGHT, WIDTH, Dot, SizeStrip
from triggerfish.reports.text import percent, sized
from triggerfish.reports.words import UNITS, label
from triggerfish.results import BasisEvidence, Confirmation

TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class ConfirmationView:
    """``strip`` is of the basis in which the perturbation leads most; ``rows`` have all bases."""

    title: str
    words: str
    strip: SizeStrip
    bases: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]


def confirmation_view(test: Confirmation, names: Sequence[str]) -> ConfirmationView:
    """The view of one test."""
    meaning, best = meaning_of(test), max(test.evidence, key=lambda item: item.lead)
    worked = percent(best.success_rate) or "not found again"
    return ConfirmationView(
        title=f"Confirmation test of class {label(test.target, names)}: {result_of(test)}",
        words=f"{meaning[0].upper()}{meaning[1:]} ({worked}; {controls_in_short(best)}).",
        strip=_strip(best),
        bases=tuple(item.basis for item in test.evidence),
        rows=tuple((name.strip(), tuple(values)) for name, values in measured(test)),
    )


def _strip(item: BasisEvidence) -> SizeStrip:
    """Success rates from 0 to 100 % on a line."""
    others = [Dot(_place(v), f"another class: {percent(v)}", False) for v in item.controls]
    own = Dot(_place(item.success_rate), f"this pattern: {percent(item.success_rate)}", True)
    size = f"{sized(item.size)} {UNITS[item.basis]}"
    unit = (
        f"Share of held-out images that a pattern of {size} works on; circles: other classes."
        if item.size == item.size
        else "The pattern was not found again."
    )
    ticks = tuple((_place(v), percent(v)) for v in TICKS)
    return SizeStrip((*others, own), None, ticks, "", unit)


def _place(share: float) -> float:
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)
