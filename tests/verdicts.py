"""Verdicts for tests, put together from the answers that they give."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from triggerfish.results import Evidence, Finding, Hypothesis, Null, Verdict


def verdict(
    flagged: Sequence[int] = (),
    index: Sequence[float] = (0.0,),
    threshold: float = 1.0,
    *,
    inconclusive: bool = False,
    suspicion: float | None = None,
    all_classes: bool = False,
    sources: Mapping[int, int] | None = None,
    seen_by: Mapping[int, tuple[str, ...]] | None = None,
    null: Null | None = None,
    p_value: float | None = None,
    reasons: tuple[Finding, ...] = (),
    notes: tuple[str, ...] = (),
) -> Verdict:
    """A verdict with these properties; whom it accuses is said here, whatever the scores."""
    null, sources, seen_by = null or Null("fixed"), sources or {}, seen_by or {}

    def hypothesis(k: int) -> Hypothesis:
        return Hypothesis("pair", k, sources[k]) if k in sources else Hypothesis("target", k)

    test = next((names[0] for names in seen_by.values()), "universal")
    rows = [
        Evidence(hypothesis(k), test, v, threshold, suspicion, null, p_value)
        for k, v in enumerate(index)
    ]
    rows += [
        Evidence(hypothesis(k), name, math.inf, 1.0, None, Null("fixed"), note_only=True)
        for k, names in seen_by.items()
        for name in names[1:]
    ]
    accused = [hypothesis(k) for k in flagged]
    if all_classes:
        accused.append(Hypothesis("all-classes"))
        rows.append(Evidence(accused[-1], test, 2.0, 1.0, None, Null("fixed")))
    name = "backdoored" if accused else "inconclusive" if inconclusive or reasons else "clean"
    return Verdict(name, tuple(rows), tuple(accused), reasons, notes)


def rescored(made: Verdict, index: Sequence[float], threshold: float | None = None) -> Verdict:
    """The same verdict with other scores of the classes, and another level of them."""
    rows = [
        replace(row, score=value, flag_at=row.flag_at if threshold is None else threshold)
        for row, value in zip(_stretched(made, len(index)), index, strict=True)
    ]
    rest = [row for row in made.evidence if row not in made.class_rows]
    kept = {row.hypothesis for row in (*rows, *rest)}
    accused = tuple(h for h in made.accused if h in kept)
    return replace(made, evidence=(*rows, *rest), accused=accused)


def _stretched(made: Verdict, count: int) -> list[Evidence]:
    first = made.class_rows[0]
    known = list(made.class_rows)[:count]
    return known + [
        replace(first, hypothesis=Hypothesis("target", k)) for k in range(len(known), count)
    ]
