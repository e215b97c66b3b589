"""Sentences about a result that every format shares. Names from outside come out printable."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from triggerfish.reports.summary import outcome
from triggerfish.reports.text import largest, number, printable
from triggerfish.results import ClassScores, Perturbation, ReadingResult, Scanned, Skipped, Trial

MOST_NAMED = 5
UNITS = {"pixel": "pixels", "frequency": "frequency coefficients", "stamp": "replaced pixels"}
KINDS = {
    "unreadable": "Not scanned: no model that can be read.",
    "unsupported": "Not scanned: a model of a kind that cannot be scanned.",
    "dangerous": "Dangerous: opening this file would run code.",
    "failed": "Not scanned: the scan broke off.",
}


def label(k: int, names: Sequence[str]) -> str:
    """A class by its number, and its name where it is known: ``7 (truck)``."""
    return f"{k} ({printable(names[k])})" if k < len(names) else str(k)


def targets(result: Scanned) -> str:
    """``class 7 (truck)``, ``classes 3, 7 and 2 more``, ``all classes``; empty when none."""
    flagged = result.verdict.flagged
    if result.verdict.all_classes:
        return "all classes"
    shown = ", ".join(label(k, result.class_names) for k in flagged[:MOST_NAMED])
    more = f" and {len(flagged) - MOST_NAMED} more" if len(flagged) > MOST_NAMED else ""
    return f"{'class' if len(flagged) == 1 else 'classes'} {shown}{more}" if flagged else ""


def headline(result: Scanned | Skipped) -> str:
    """The answer in a sentence, and that somebody accepted it where that is so."""
    text = _verdict(result) if isinstance(result, Scanned) else KINDS[result.kind]
    if outcome(result) == "accepted" and result.accepted is not None:
        day, reason = result.accepted.until.isoformat(), printable(result.accepted.reason)
        return f"Accepted until {day} ({reason}). What was found: {text}"
    return text


def _verdict(result: Scanned) -> str:
    verdict = result.verdict
    if verdict.name == "inconclusive":
        return "No answer: the scan cannot tell whether this model is backdoored."
    if verdict.name == "clean":
        return "Nothing found: no class can be reached by an unusually small perturbation."
    if is_in_program(result):
        return (
            f"Backdoored: logic in the file's program sends images with a trigger to "
            f"{targets(result)}."
        )
    if all(item.kind == "stamp" for item in verdict.accused):
        return f"Likely backdoored: a plain stamp leads any image to {targets(result)}."
    if verdict.all_classes:
        return (
            "Likely backdoored: one small perturbation leads images of every class to another one."
        )
    if verdict.sources:
        names = result.class_names
        led = ", ".join(
            f"{label(source, names)} to {label(target, names)}"
            for target, source in verdict.sources.items()
        )
        return (
            "Likely backdoored: an unusually small perturbation leads images of one class to "
            f"another, {led}, as a source-specific trigger does."
        )
    return (
        f"Likely backdoored: {targets(result)} can be reached by an unusually small perturbation, "
        "as the target of a trigger can."
    )


def is_in_program(result: Scanned) -> bool:
    """Whether the verdict rests on the file's program and on nothing else."""
    accused = result.verdict.accused
    return bool(accused) and all(item.kind == "structure" for item in accused)


def evidence(result: Scanned) -> str:
    """What the verdict is measured by: the largest anomaly index beside the threshold."""
    index, threshold = largest(result.verdict.anomaly_index), result.verdict.threshold
    if math.isnan(index):
        return "No class was measured."
    above = "above" if index > threshold else "not above"
    beside = f", {above} the threshold {number(threshold, '.2f')}" if threshold == threshold else ""
    further = "; a further search named it (notes)" if result.verdict.flagged else ""
    more = further if not index > threshold and threshold == threshold else ""
    return f"The largest anomaly index is {number(index, '.2f')}{beside}{more}."


def calibration(result: Scanned) -> str:
    """The reference and the p-value, or that there is none."""
    verdict = result.verdict
    if verdict.same_task is not None:
        return (
            f"Compared class by class with clean networks of {printable(verdict.same_task)}; not "
            "calibrated on models like this one."
        )
    if verdict.reference is None:
        return "Uncalibrated: no clean reference models of this network and task."
    p = number(verdict.p_value if verdict.p_value is not None else math.nan, ".2g")
    least = number(verdict.smallest_p_value or math.nan, ".2g")
    return (
        f"Among clean models like it ({printable(verdict.reference)}) its p-value is {p}; the "
        f"smallest that so many allow is {least}."
    )


def dissenting(result: Scanned) -> tuple[ReadingResult, ...]:
    """The readings that say something else than the verdict; none where there is no verdict."""
    some_agree = any(reading.agrees for reading in result.readings)
    return tuple(r for r in result.readings if some_agree and not r.agrees)


def dissent(reading: ReadingResult) -> str:
    """What a reading says that does not agree with the verdict."""
    return (
        f"{reading} under another reading of the file, with {reading.share:.0%} of the weight: "
        f"{reading.options}"
    )


def times(factor: float) -> str:
    """``4.2 times``, ``30 times``."""
    return f"{factor:.0f} times" if factor >= 10 else f"{factor:.1f} times"


def _less(score: float) -> str:
    factor = math.exp(abs(score))
    if factor < 1.05:
        return "needs as much perturbation as the median class"
    how = "less" if score >= 0 else "more"
    return f"needs {times(factor)} {how} perturbation than the median class"


def _weight(scores: ClassScores, k: int) -> str:
    median = float(scores.statistic.nanquantile(0.5))
    value = float(scores.statistic[k])
    return f"bears {times(value / median)} the weight of the median class" if median > 0 else ""


# How to say one class's statistic, by the statistic's name, where it has a scale of its own.
SCALES: dict[str, Callable[[ClassScores, int], str]] = {
    "log_norm_ratio": lambda scores, k: _less(float(scores.statistic[k])),
    "best_l1_weight": _weight,
}


# Details that are logarithms of the median size over a class's own, in a basis.
RATIOS = ("ratio_pixel", "ratio_frequency")


def scale(scores: ClassScores, k: int) -> str:
    """One class's score on a scale that a person can read; empty where there is none.

    A score without a scale of its own is said by the sizes of the perturbations that it was made
    from.
    """
    if math.isnan(float(scores.statistic[k])):
        return ""
    if scores.name in SCALES:
        return SCALES[scores.name](scores, k)
    ratios = [float(v[k]) for name, v in scores.details.items() if name in RATIOS]
    return _less(max(known)) if (known := [r for r in ratios if not math.isnan(r)]) else ""


def short_scale(scores: ClassScores, k: int) -> str:
    """The same without saying what it is compared with, for a column that does."""
    said = scale(scores, k)
    for words in (
        "needs ",
        "bears ",
        " perturbation than the median class",
        " as the median class",
    ):
        said = said.replace(words, "")
    return said.replace(" of the median class", "")


def perturbations(scores: ClassScores) -> tuple[Perturbation, ...]:
    """Every perturbation that was found, once, those of the parts last."""
    return tuple(perturbation for _, perturbation in owned_perturbations(scores))


def owned_perturbations(scores: ClassScores) -> list[tuple[ClassScores, Perturbation]]:
    """The same, each with the scores that have it; parts often have those of the whole."""
    found: dict[tuple[int | None, str], tuple[ClassScores, Perturbation]] = {}
    for part in (scores, *scores.parts):
        for perturbation in part.perturbations:
            found.setdefault((perturbation.target, perturbation.basis), (part, perturbation))
    return list(found.values())


def size(perturbation: Perturbation) -> str:
    """``0.3 pixels, where the median class needs 9.7 (32 times as much)``."""
    if math.isnan(perturbation.size):
        return f"no size: the search ended {perturbation.status.value.replace('_', ' ')}"
    own = f"{perturbation.size:.2g} {UNITS[perturbation.basis]}"
    if not perturbation.median_size > 0:
        return own
    factor = (
        times(perturbation.median_size / perturbation.size)
        if perturbation.size > 0
        else "infinitely"
    )
    return f"{own}, where the median class needs {perturbation.median_size:.2g} ({factor} as much)"


def into(target: int | None, names: Sequence[str]) -> str:
    """Where a perturbation leads pictures: ``into class 7 (truck)``."""
    return "into another class" if target is None else f"into class {label(target, names)}"


def tried(trial: Trial, names: Sequence[str]) -> str:
    """What a perturbation did to pictures of the user's own."""
    perturbation = f"the perturbation in {UNITS[trial.basis]}"
    if trial.basis == "stamp":
        perturbation = "the stamp that was found"
    if not trial.count and trial.target is not None:
        called = label(trial.target, names)
        return f"{perturbation} cannot be tried: the network calls all of them {called} without it"
    where = into(trial.target, names)
    return f"{perturbation} turns {trial.success_rate:.0%} of {trial.count} {where}"


def success_rate(perturbation: Perturbation) -> str:
    """On how many fresh pictures it works."""
    return f"turns {perturbation.success_rate:.0%} of fresh pictures"
