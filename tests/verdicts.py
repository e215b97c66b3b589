"""Verdicts for tests, put together from the answers that they give."""

from collections.abc import Mapping, Sequence

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
    counted = null.size if p_value is not None else None
    as_high = None if not counted else round(p_value * (counted + 1)) - 1
    rows = [
        Evidence(hypothesis(k), test, v, threshold, suspicion, null, p_value,
                 clean_as_high=as_high, clean_networks=counted)
        for k, v in enumerate(index)
    ]  # fmt: skip
    rows += [
        Evidence(hypothesis(k), name, 9.0, 1.0, None, Null("fixed"), note_only=True)
        for k, names in seen_by.items()
        for name in names[1:]
    ]
    accused = [hypothesis(k) for k in flagged]
    if all_classes:
        accused.append(Hypothesis("all-classes"))
        rows.append(Evidence(accused[-1], test, 2.0, 1.0, None, Null("fixed")))
    name = "backdoored" if accused else "inconclusive" if inconclusive or reasons else "clean"
    return Verdict(name, tuple(rows), tuple(accused), reasons, notes)


def altered(made: Verdict, **changes: object) -> Verdict:
    """A verdict like another, with other properties; ``same_task`` and ``reference`` by name."""
    values = {
        "flagged": made.flagged,
        "index": made.anomaly_index,
        "threshold": made.threshold,
        "inconclusive": made.name == "inconclusive",
        "suspicion": made.suspicion_threshold,
        "all_classes": made.all_classes,
        "sources": made.sources,
        "seen_by": made.seen_by,
        "null": made.evidence[0].null,
        "p_value": made.p_value,
        "reasons": made.reasons,
        "notes": made.notes,
    }
    for name, kind in (("same_task", "same-task"), ("reference", "same-recipe")):
        if changes.get(name):
            values["null"] = Null(kind, changes[name], 20)
    if changes.get("reference", "") is None and "same_task" not in changes:
        values["null"] = Null("fixed")
    rest = {k: v for k, v in changes.items() if k not in ("same_task", "reference")}
    return verdict(**{**values, **rest})
