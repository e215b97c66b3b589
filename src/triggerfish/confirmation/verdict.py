"""A verdict after second looks at the classes that it flags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from triggerfish.results import Confirmation, Finding, Verdict

NOT_CONFIRMED = "not-confirmed"


def after_looks(verdict: Verdict, looks: Sequence[Confirmation]) -> Verdict:
    """The verdict without the flags that were refuted.

    *Inconclusive*, never clean, when none is left.
    """
    refuted = {look.target: look for look in looks if look.grade == "refuted"}
    if not refuted:
        return verdict
    flagged = tuple(k for k in verdict.flagged if k not in refuted)
    backdoored = bool(flagged) or verdict.all_classes
    return replace(
        verdict,
        name="backdoored" if backdoored else "inconclusive",
        flagged=flagged,
        reasons=(*verdict.reasons, *map(_finding, refuted.values())),
        seen_by={k: names for k, names in verdict.seen_by.items() if k in flagged},
    )


def _finding(look: Confirmation) -> Finding:
    return Finding(
        NOT_CONFIRMED,
        f"expected the change towards class {look.target} to outdo those of the same size towards "
        f"other classes by far, got a lead of {look.lead:.2f} in a second look: some clean "
        "networks have such a class; calibrate on clean models of this network and task",
    )
