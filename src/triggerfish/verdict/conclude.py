"""Evidence and findings -> the verdict: the only place that calls a model backdoored.

Stages append rows, each with its own score, level and null; here they are folded, once. Of several
rows on one hypothesis the one with the strongest null decides. A confirmation test takes a flag
away that it refutes, and confirms what was only suspected; a flag whose error rate is known stands
without it. A model is *clean* when it was measured, nothing is flagged and nothing speaks against
trusting that.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from triggerfish.levels import SURE
from triggerfish.results import (
    CONTROL,
    PRECEDENCE,
    Evidence,
    Finding,
    Hypothesis,
    NullKind,
    Verdict,
    VerdictName,
)

KNOWN_ERROR_RATE: frozenset[NullKind] = frozenset({"same-recipe"})
"""A flag by these stands whatever a confirmation test says: its own error rate is not known."""
FEW = "few-classes"
"""The finding that a median over so few classes says nothing."""

VOIDING = frozenset(
    {
        "sharp-output",
        "unstable-output",
        "not-finite",
        "reference-mismatch",
        "ambiguous-architecture",
        "preprocessing-matters",
    }
)
"""With these a score says nothing: most clean models are flagged in such a state
(docs/limits.md), the error rate that was asked for does not follow, or nobody knows what
network it is. So no score accuses."""


def is_void(findings: Iterable[Finding]) -> bool:
    """Whether scores mean nothing, for what was found about the model or its file."""
    return any(finding.code in VOIDING for finding in findings)


def conclude(
    evidence: Sequence[Evidence], findings: Sequence[Finding] = (), notes: Sequence[str] = ()
) -> Verdict:
    """The verdict that the rows bear out.

    ``findings`` are reasons not to trust it that no row has; ``notes`` say what it rests on.
    """
    void = is_void(findings)
    # What is in a model's graph is no score, so no broken answer can void it.
    counted = [
        row
        for row in evidence
        if not row.note_only and (not void or row.hypothesis.kind == "structure")
    ]
    # A hypothesis has one row that decides, by the strongest null, and at most one test beside it.
    decisive = _decisive(counted)
    tests = _weakest(row for row in counted if row.null.kind == CONTROL)
    flagged = {h for h, row in decisive.items() if row.flags and h.kind != "all-classes"}
    # A test moves both ways: a flag needs its consent, and it lifts what was suspected to a flag.
    refuted = [h for h in decisive if h in flagged and _is_refuted(h, decisive, tests)]
    confirmed = [
        h
        for h, test in tests.items()
        if h in decisive and h not in flagged and test.flags and _may_be_overruled(decisive[h])
    ]
    # One target that is easy to reach raises the score of all classes too, so it comes first.
    everywhere = {
        h
        for h, row in decisive.items()
        if row.flags and h.kind == "all-classes" and not _is_refuted(h, decisive, tests)
    }
    accused = [h for h in decisive if h in flagged and h not in refuted] + confirmed
    accused += [h for h in everywhere if not flagged]
    # Beside a flag nothing is said of other classes that are merely suspicious: it would read as a
    # doubt about the flag. A flag that was refuted leaves its own reason, so it is never clean.
    reasons = [f for f in findings if f.code != FEW or not _settles(decisive)]
    if not flagged and not void:
        reasons += [] if confirmed else _unclear(decisive, tests)
        reasons += _disagreement(counted, decisive, tests)
        reasons += [] if everywhere else _unclear_everywhere(decisive)
    # What another search holds for a target needs no doubt about this one.
    targets = {h.target for h in accused}
    reasons += [_not_confirmed(tests[h]) for h in refuted if h.target not in targets]
    reasons = list(dict.fromkeys(reasons))  # what is concluded again has some of them already
    # Without one score beside a level nothing was looked at: that is not clean. A test is no look.
    measured = any(
        math.isfinite(r.score) and not math.isnan(r.flag_at) and r.null.kind != CONTROL
        for r in evidence
    )
    unaccused: VerdictName = "inconclusive" if reasons or not measured else "clean"
    return Verdict(
        name="backdoored" if accused else unaccused,
        evidence=tuple(evidence),
        accused=tuple(accused),
        reasons=tuple(reasons),
        notes=(*notes, *(_confirmed(tests[h], decisive[h]) for h in confirmed)),
    )


def _settles(decisive: Mapping[Hypothesis, Evidence]) -> bool:
    """Whether a test decided that has levels for few classes."""
    return any(
        row.test == SURE and row.suspect_at is not None and math.isfinite(row.score)
        for h, row in decisive.items()
        if h.kind == "target"
    )


def _decisive(rows: Iterable[Evidence]) -> dict[Hypothesis, Evidence]:
    """Per hypothesis the row with the strongest null."""
    found: dict[Hypothesis, Evidence] = {}
    rank = PRECEDENCE.index
    for row in rows:
        if row.null.kind == CONTROL:
            continue
        best = found.get(row.hypothesis)
        # Of two equal nulls the first row stays: a stage that comes later takes nothing back.
        if best is None or rank(row.null.kind) < rank(best.null.kind):
            found[row.hypothesis] = row
    return found


def _weakest(tests: Iterable[Evidence]) -> dict[Hypothesis, Evidence]:
    """Per hypothesis the test that bears it out least: a flag has to stand them all.

    But what flags by itself on sure images needs no other test: clean networks stayed below that
    level there (levels.py), while the leads of true targets lie on both sides of their own.
    """
    found: dict[Hypothesis, Evidence] = {}
    for row in tests:
        best = found.get(row.hypothesis)
        if best is not None and best.test == SURE and best.flags:
            continue
        alone = row.test == SURE and row.flags
        if best is None or alone or (best.is_suspicious and not row.is_suspicious):
            found[row.hypothesis] = row
    return found


def _is_refuted(
    h: Hypothesis, decisive: Mapping[Hypothesis, Evidence], tests: Mapping[Hypothesis, Evidence]
) -> bool:
    test = tests.get(h)
    if test is None or test.is_suspicious:
        return False
    # A search on sure images follows where nobody named clean models: what fits by its shape alone
    # has no error rate that is known for this network.
    return test.test == SURE or _may_be_overruled(decisive[h])


def _may_be_overruled(row: Evidence) -> bool:
    return row.null.kind not in KNOWN_ERROR_RATE


def _unclear(
    decisive: Mapping[Hypothesis, Evidence], tests: Mapping[Hypothesis, Evidence]
) -> list[Finding]:
    """What scores between the two levels mean: clean networks of some kinds reach them too.

    Nothing, once all of them are refuted.
    """
    suspected = [
        row for row in decisive.values() if row.is_suspicious and row.hypothesis.target is not None
    ]
    if all(_is_refuted(row.hypothesis, decisive, tests) for row in suspected):
        return []
    first = suspected[0]
    return [
        Finding(
            "unclear-score",
            f"{_classes(suspected)}. {_levels(first)} Some clean networks score as high: calibrate "
            "on clean models of this network and task",
        )
    ]


def _disagreement(
    rows: Sequence[Evidence],
    decisive: Mapping[Hypothesis, Evidence],
    tests: Mapping[Hypothesis, Evidence],
) -> list[Finding]:
    """What a flag by a weaker null means where a stronger one says nothing.

    Nothing, once a test refutes it as well.
    """
    above = [
        row
        for row in rows
        if row.flags
        and _is_weaker(row, decisive)
        and not _is_refuted(row.hypothesis, decisive, tests)
    ]
    if not above:
        return []
    by, test = decisive[above[0].hypothesis].test, above[0].test
    return [
        Finding(
            "detectors-disagree",
            f"{_classes(above)} by {test}, above its level of {above[0].flag_at:g}; {by} flags "
            f"nothing beside its reference. Look at the pattern, or calibrate {test} on clean "
            "models of this network and task",
        )
    ]


def _is_weaker(row: Evidence, decisive: Mapping[Hypothesis, Evidence]) -> bool:
    """Whether another row decides by clean models that are known: a fixed level is not one."""
    if row.null.kind == CONTROL:  # it tests what another row says, and may have none beside it
        return False
    best = decisive[row.hypothesis]
    return best is not row and best.null.kind != "outliers"


def _unclear_everywhere(decisive: Mapping[Hypothesis, Evidence]) -> list[Finding]:
    """What a score of an attack on every class means between the two levels."""
    return [
        Finding(
            "unclear-all-classes",
            f"an attack on all classes scores {row.score:.2f}. {_levels(row)} Some clean networks "
            "score as high: calibrate on clean models of this network and task",
        )
        for h, row in decisive.items()
        if h.kind == "all-classes" and row.suspect_at is not None and row.is_suspicious
    ]


def _not_confirmed(test: Evidence) -> Finding:
    target = test.hypothesis.target
    whose = "the attack on all classes" if target is None else f"class {target}"
    on = test.test if test.test == SURE else "new images"
    return Finding(
        "not-confirmed",
        f"{whose} failed the test on {on}: it scores {test.score:.2f} there, and "
        f"{test.flag_at if test.suspect_at is None else test.suspect_at:.2f} is needed. Some clean "
        "networks have such a class: calibrate on clean models of this network and task",
    )


def _confirmed(test: Evidence, row: Evidence) -> str:
    return (
        f"the {test.test} flags class {test.hypothesis.target}, with a score of {test.score:.2f}; "
        f"its first score of {row.score:.2f} alone flags nothing"
    )


def _levels(row: Evidence) -> str:
    """From where on a score is suspicious, and where it is flagged, if it ever is."""
    flagged = f" and flagged above {row.flag_at:g}" if math.isfinite(row.flag_at) else ""
    return f"A score is suspicious above {row.suspect_at:g}{flagged}."


def _classes(rows: Iterable[Evidence]) -> str:
    return ", ".join(f"class {row.hypothesis.target} scores {row.score:.2f}" for row in rows)
