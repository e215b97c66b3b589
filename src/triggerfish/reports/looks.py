"""Second looks at flagged classes, in words."""

from __future__ import annotations

from collections.abc import Sequence

from triggerfish.reports.words import label
from triggerfish.results import BasisEvidence, Confirmation

LINE = "  {:<44}  {:>10}  {:>10}"
MEANINGS = {
    "confirmed": "its change works where changes of the same size towards other classes fail",
    "unclear": "its change works better than those of the same size towards other classes",
    "refuted": "changes of the same size work nearly as well towards other classes",
}


def look_in_short(look: Confirmation, names: Sequence[str] = ()) -> str:
    """One line: ``second look at class 7: confirmed (...)``."""
    best = max(look.evidence, key=lambda item: item.lead)
    return (
        f"second look at class {label(look.target, names)}: {look.grade}; of new pictures its "
        f"change turns {best.success:.0%}, others of the same size {best.control:.0%}"
    )


def look_in_full(look: Confirmation, names: Sequence[str] = ()) -> str:
    """A table of all that was measured."""
    head = f"class {label(look.target, names)}: {look.grade}, lead {look.lead:.2f}"
    bases: list[str] = [item.basis for item in look.evidence]
    rows = [LINE.format(title, *values) for title, values in (("basis", bases), *measured(look))]
    return "\n".join([head, *rows, f"{look.grade}: {MEANINGS[look.grade]}"]) + "\n"


def measured(look: Confirmation) -> list[tuple[str, list[str]]]:
    """What was measured, each with its value in every basis."""
    return [
        ("size", [_sized(item) for item in look.evidence]),
        ("of new pictures, it turns", [f"{item.success:.0%}" for item in look.evidence]),
        ("  at half strength", [f"{item.half:.0%}" for item in look.evidence]),
        ("  shifted to other places", [f"{item.shifted:.0%}" for item in look.evidence]),
        ("  without its largest pixel", [f"{i.without_largest:.0%}" for i in look.evidence]),
        ("control: same size, best other class", [_control(i, 0) for i in look.evidence]),
        ("control: same size, second best", [_control(i, 1) for i in look.evidence]),
        ("likeness of what separate searches found", [f"{i.agreement:.2f}" for i in look.evidence]),
    ]


def _control(item: BasisEvidence, rank: int) -> str:
    ordered = sorted(item.controls, reverse=True)
    return f"{ordered[rank]:.0%}" if rank < len(ordered) else "-"


def _sized(item: BasisEvidence) -> str:
    return "-" if item.size != item.size else f"{item.size:.3g}"
