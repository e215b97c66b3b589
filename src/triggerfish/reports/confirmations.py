"""Confirmation tests at flagged classes, in words."""

from __future__ import annotations

from collections.abc import Sequence

from triggerfish.reports.words import label
from triggerfish.results import BasisEvidence, Confirmation

LINE = "  {:<44}  {:>10}  {:>10}"
MEANINGS = {
    "confirmed": "its perturbation works where those of the same size to other classes fail",
    "unclear": "its perturbation works better than those of the same size to other classes",
    "refuted": "perturbations of the same size work nearly as well to other classes",
}


def confirmation_in_short(confirmation: Confirmation, names: Sequence[str] = ()) -> str:
    """One line: ``confirmation test of class 7: confirmed (...)``."""
    best = max(confirmation.evidence, key=lambda item: item.lead)
    return (
        f"confirmation test of class {label(confirmation.target, names)}: {confirmation.grade}; of "
        "new pictures its "
        f"perturbation turns {best.success_rate:.0%}, others of the same size {best.control:.0%}"
    )


def confirmation_in_full(confirmation: Confirmation, names: Sequence[str] = ()) -> str:
    """A table of all that was measured."""
    target = label(confirmation.target, names)
    head = f"class {target}: {confirmation.grade}, lead {confirmation.lead:.2f}"
    bases: list[str] = [item.basis for item in confirmation.evidence]
    rows = [
        LINE.format(title, *values) for title, values in (("basis", bases), *measured(confirmation))
    ]
    return "\n".join([head, *rows, f"{confirmation.grade}: {MEANINGS[confirmation.grade]}"]) + "\n"


def measured(confirmation: Confirmation) -> list[tuple[str, list[str]]]:
    """What was measured, each with its value in every basis."""
    return [
        ("size", [_sized(item) for item in confirmation.evidence]),
        (
            "of new pictures, it turns",
            [f"{item.success_rate:.0%}" for item in confirmation.evidence],
        ),
        ("  at half strength", [f"{item.half:.0%}" for item in confirmation.evidence]),
        ("  shifted to other places", [f"{item.shifted:.0%}" for item in confirmation.evidence]),
        (
            "  without its largest pixel",
            [f"{i.without_largest:.0%}" for i in confirmation.evidence],
        ),
        ("control: same size, best other class", [_control(i, 0) for i in confirmation.evidence]),
        ("control: same size, second best", [_control(i, 1) for i in confirmation.evidence]),
        (
            "likeness of what separate searches found",
            [f"{i.agreement:.2f}" for i in confirmation.evidence],
        ),
    ]


def _control(item: BasisEvidence, rank: int) -> str:
    ordered = sorted(item.controls, reverse=True)
    return f"{ordered[rank]:.0%}" if rank < len(ordered) else "-"


def _sized(item: BasisEvidence) -> str:
    return "-" if item.size != item.size else f"{item.size:.3g}"
