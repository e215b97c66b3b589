"""Confirmation tests at flagged classes, in words."""

from __future__ import annotations

import math
from collections.abc import Sequence

from triggerfish.reports.text import percent
from triggerfish.reports.words import label
from triggerfish.results import BasisEvidence, Confirmation

TITLE, VALUE = "  {:<44}", "  {:>10}"
RESULTS = {"confirmed": "passed", "unclear": "unclear", "refuted": "failed"}
"""How a grade reads after *confirmation test*."""
MEANINGS = {
    "confirmed": "its pattern works far better than equally small patterns for nearly all others",
    "unclear": "its pattern works better than equally small patterns for others, but not by far",
    "refuted": "equally small patterns work nearly as well for other classes",
}
NOTHING = "the pattern was not found again, nor any for other classes: this says nothing"
WORKS = 0.05
"""The success rate above which a pattern was found at all."""
ONE_MORE = 0.05
"""The best control is named apart where it is so much above the one that counts."""


def says_nothing(confirmation: Confirmation) -> bool:
    """Whether no search of the test found a pattern that works, of the class or of another."""
    rates = [rate for item in confirmation.evidence for rate in (item.success_rate, *item.controls)]
    return all(rate <= WORKS for rate in rates if not math.isnan(rate))


def result_of(confirmation: Confirmation) -> str:
    """How the test ended, in a word or two."""
    return "no result" if says_nothing(confirmation) else RESULTS[confirmation.grade]


def meaning_of(confirmation: Confirmation) -> str:
    """What that says of the class."""
    return NOTHING if says_nothing(confirmation) else MEANINGS[confirmation.grade]


def confirmation_in_short(confirmation: Confirmation, names: Sequence[str] = ()) -> str:
    """One line: ``confirmation test of class 7: passed (45 %; equally small patterns ...)``."""
    best = max(confirmation.evidence, key=lambda item: item.lead)
    return (
        f"confirmation test of class {label(confirmation.target, names)}: "
        f"{result_of(confirmation)} ({percent(best.success_rate) or 'not found again'}; "
        f"{controls_in_short(best)})"
    )


def controls_in_short(item: BasisEvidence) -> str:
    """``equally small patterns for other classes: 21 %, and for one 96 %``.

    The second best counts, because one other class may be near all by itself.
    """
    said = f"equally small patterns for other classes: {percent(item.control)}"
    best = max(item.controls, default=0.0)
    return f"{said}, and for one {percent(best)}" if best > item.control + ONE_MORE else said


def confirmation_in_full(confirmation: Confirmation, names: Sequence[str] = ()) -> str:
    """The line, and a table of all that was measured."""
    bases: list[str] = [item.basis for item in confirmation.evidence]
    rows = [
        TITLE.format(title) + "".join(map(VALUE.format, values))
        for title, values in (("basis", bases), *measured(confirmation))
    ]
    meaning = f"{result_of(confirmation)}: {meaning_of(confirmation)}"
    return "\n".join([confirmation_in_short(confirmation, names), *rows, meaning]) + "\n"


def measured(confirmation: Confirmation) -> list[tuple[str, list[str]]]:
    """What was measured, each with its value in every basis."""
    return [
        ("size", [_sized(item) for item in confirmation.evidence]),
        ("works on, of held-out images", [percent(i.success_rate) for i in confirmation.evidence]),
        ("  at half strength", [percent(item.half) for item in confirmation.evidence]),
        ("  shifted to other places", [percent(item.shifted) for item in confirmation.evidence]),
        (
            "  without its largest pixel",
            [percent(i.without_largest) for i in confirmation.evidence],
        ),
        ("equally small, best other class", [_control(i, 0) for i in confirmation.evidence]),
        ("equally small, second best class", [_control(i, 1) for i in confirmation.evidence]),
        (
            "likeness of what separate searches found",
            [f"{i.agreement:.2f}" for i in confirmation.evidence],
        ),
        ("lead over the second best class", [f"{i.lead:.2f}" for i in confirmation.evidence]),
    ]


def _control(item: BasisEvidence, rank: int) -> str:
    ordered = sorted(item.controls, reverse=True)
    return percent(ordered[rank]) if rank < len(ordered) else "-"


def _sized(item: BasisEvidence) -> str:
    return "-" if item.size != item.size else f"{item.size:.3g}"
