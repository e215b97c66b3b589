"""Sentences about a result that every format shares. Names from outside come out printable."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from triggerfish.reports.severity import Severity, severity_of
from triggerfish.reports.summary import outcome
from triggerfish.reports.text import number, percent, printable, sized
from triggerfish.results import (
    Basis,
    ClassScores,
    Evidence,
    HypothesisKind,
    Perturbation,
    ReadingResult,
    Scanned,
    Skipped,
    Status,
    Trial,
)
from triggerfish.results.deciding import deciding_rows, index_and_threshold, strongest_row

MOST_NAMED = 5
MOST_SMALLER = 2
WIRING = "arch"
"""The assumption that says what is computed with the weights."""
PATTERNS = {
    "pixel": "pattern",
    "frequency": "frequency pattern",
    "stamp": "stamp",
    "l2": "blended pattern",
}
"""What a perturbation is, by its basis; a stamp takes the place of pixels."""
UNITS = {
    "pixel": "px",
    "frequency": "frequency units",
    "stamp": "replaced px",
    "l2": "px in L2",
}
GRAVEST_FIRST: tuple[HypothesisKind, ...] = (
    "structure",
    "all-classes",
    "pair",
    "target",
    "stamp",
    "blend",
)
"""Claims as a headline has them: a proof about the program before what was measured."""
BY_PATTERN: frozenset[HypothesisKind] = frozenset({"pair", "target", "blend"})
"""Claims on a class that rest on how small a pattern is; a program and a stamp do not."""
KINDS = {
    "unreadable": "Not scanned: Triggerfish cannot read a model in this file.",
    "unsupported": "Not scanned: no image classifier could be opened from this file.",
    "dangerous": "Dangerous: opening this file would run code.",
    "failed": "Not scanned: the scan failed.",
}


def label(k: int, names: Sequence[str]) -> str:
    """A class by its number, and its name where it is known: ``7 (truck)``."""
    return f"{k} ({printable(names[k])})" if k < len(names) else str(k)


def targets(result: Scanned) -> str:
    """``class 7 (truck)``, ``classes 3, 7 and 2 more``, ``all classes``; empty when none."""
    if result.verdict.all_classes:
        return "all classes"
    return _classes(result.verdict.flagged, result.class_names)


def _classes(numbers: Sequence[int], names: Sequence[str]) -> str:
    shown = ", ".join(label(k, names) for k in numbers[:MOST_NAMED])
    more = f" and {len(numbers) - MOST_NAMED} more" if len(numbers) > MOST_NAMED else ""
    return f"{'class' if len(numbers) == 1 else 'classes'} {shown}{more}" if numbers else ""


def headline(result: Scanned | Skipped) -> str:
    """The answer in a sentence, and that somebody accepted it where that is so."""
    text = _verdict(result) if isinstance(result, Scanned) else KINDS[result.kind]
    if outcome(result) == "accepted" and result.accepted is not None:
        day, reason = result.accepted.until.isoformat(), printable(result.accepted.reason)
        return f"Accepted until {day} ({reason}). What was found: {text}"
    return text


def _verdict(result: Scanned) -> str:
    if result.verdict.name == "inconclusive":
        return "No answer: the scan cannot tell whether this model is backdoored."
    if result.verdict.name == "clean":
        row = strongest_row(result.verdict)
        if row is not None and row.flag_at == math.inf:
            count = len(result.scores.status)
            return f"Nothing found, and little said: of {count} classes the scan flags none."
        return "Nothing found: no class is reached by an unusually small pattern."
    said, accused = _accusation(result)
    if result.verdict.all_classes or not (rest := set(result.verdict.flagged) - accused):
        return said
    verb = "is" if len(rest) == 1 else "are"
    also = _classes(sorted(rest), result.class_names)
    return f"{said} {also[0].upper()}{also[1:]} {verb} flagged, too."


def _accusation(result: Scanned) -> tuple[str, set[int]]:
    """What the gravest claim says, and the classes that it names: other claims may name more."""
    verdict, severity, names = result.verdict, severity_of(result.verdict), result.class_names
    claims = {item.kind: item for item in verdict.accused}
    kind = next(kind for kind in GRAVEST_FIRST if kind in claims)
    accused = {h.target for h in verdict.accused if h.kind == kind and h.target is not None}
    to = _classes(sorted(accused), names)
    is_borderline = severity is not None and severity.grade == "borderline"
    likely = "Borderline" if is_borderline else "Likely backdoored"
    led = ", ".join(f"{label(s, names)} to {label(t, names)}" for t, s in verdict.sources.items())
    sentences: dict[HypothesisKind, str] = {
        "structure": f"Backdoored: the file's program sends images with a trigger to {to}.",
        "all-classes": f"{likely}: one small pattern sends images of every class to another class.",
        "pair": f"{likely}: an unusually small pattern sends images of one class to another "
        f"({led}), as a source-specific trigger would.",
        "target": f"{likely}: an unusually small pattern sends images to {to}, "
        "as a backdoor trigger would.",
        "stamp": f"{likely}: a plain stamp sends any image to {to}.",
        "blend": f"{likely}: an unusually faint pattern over the whole image sends images to "
        f"{to}, as a blended trigger would.",
    }
    return sentences[kind], accused


def guessed_wiring(result: Scanned) -> Iterator[str]:
    """That the network's function is a guess, which comes before any verdict on it."""
    for item in result.assumptions:
        if item.name == WIRING:
            option = f"--{WIRING} {printable(item.value)}"
            yield f"Guessed wiring: {option}, from {printable(item.because)}."
            yield "The verdict is about that network. If the guess is wrong, so is the verdict."


def is_in_program(result: Scanned) -> bool:
    """Whether the verdict rests on the file's program and on nothing else."""
    accused = result.verdict.accused
    return bool(accused) and all(item.kind == "structure" for item in accused)


def evidence(result: Scanned) -> str:
    """What the verdict is measured by: an anomaly index beside its threshold, and how strong."""
    if is_in_program(result):
        return "The file's program gives the answer; no anomaly index does."
    row = strongest_row(result.verdict)
    if row is None:
        return _not_judged(result)
    whose = _whose(result, row)
    index, threshold = number(row.score, ".2f"), number(row.flag_at, ".2f")
    if not math.isfinite(row.flag_at):
        return f"{whose} is {index}; no threshold is known for it."
    severity = severity_of(result.verdict)
    if severity is None:
        below = "below" if row.score < row.flag_at else "above" if row.score > row.flag_at else "at"
        return f"{whose} is {index}, {below} the threshold {threshold}."
    return f"{whose} is {index}, threshold {threshold}: {severity.grade}. {clean_as_high(severity)}"


def beside_threshold(result: Scanned) -> str:
    """``14.20 / 1.30``: the index that the verdict is measured by; ``-`` where there is none."""
    index, threshold = (number(value, ".2f") for value in index_and_threshold(result.verdict))
    return f"{index} / {threshold or '-'}" if index else "-"


def is_of_unknown_task(result: Scanned) -> bool:
    """Whether the network was compared with no clean ones, of its task or of its recipe."""
    return result.verdict.same_task is None and result.verdict.reference is None


def has_too_few_classes(result: Scanned) -> bool:
    """Whether no class could be judged because there are too few to stand out among."""
    codes = {reason.code for reason in result.verdict.reasons}
    return "few-classes" in codes and result.verdict.name == "inconclusive"


def _not_judged(result: Scanned) -> str:
    """Why there is no index: nothing was measured, or nothing says what would be ordinary."""
    measured = [
        values
        for part in _parts(result.scores)
        for values in (part.statistic, *(one.size for one in part.sizes))
    ]
    if not any(bool(values.isfinite().any()) for values in measured):
        return "No class was measured."
    if has_too_few_classes(result):
        count = len(result.scores.status)
        return f"No class was judged: among {count} classes the scan cannot tell an outlier."
    return "No class was judged."


def by_pattern(result: Scanned, k: int) -> bool:
    """Whether the size of a pattern accuses a class; a program or a stamp may do so alone."""
    accused = result.verdict.accused
    return any(h.target == k and h.kind in BY_PATTERN for h in accused)


def _whose(result: Scanned, row: Evidence) -> str:
    """Which index a row has: ``The anomaly index of class 7 (truck)``."""
    target, flagged = row.hypothesis.target, result.verdict.accused
    if not flagged:
        return "The largest anomaly index"
    if target is None:
        return "The anomaly index of an attack on all classes"
    return f"The anomaly index of class {label(target, result.class_names)}"


def clean_as_high(severity: Severity) -> str:
    """How many clean networks score as high, or that they were not counted."""
    if severity.clean_networks is None:
        return "How many clean networks score as high was not counted."
    return f"Of {severity.clean_networks} clean networks, {severity.clean_as_high} score as high."


def calibration(result: Scanned) -> str:
    """The reference and the p-value, or that there is none."""
    verdict = result.verdict
    if verdict.same_task is not None:
        return (
            f"Each class is compared with clean networks of {printable(verdict.same_task)}. The "
            "threshold is not calibrated on models like this one."
        )
    if verdict.reference is None:
        return "Uncalibrated: there are no clean reference models of this network and task."
    p = number(verdict.p_value if verdict.p_value is not None else math.nan, ".2g")
    least = number(verdict.smallest_p_value or math.nan, ".2g")
    return (
        f"Its p-value among clean models like it ({printable(verdict.reference)}) is {p}. That "
        f"reference cannot give less than {least}."
    )


def dissenting(result: Scanned) -> tuple[ReadingResult, ...]:
    """The readings that say something else than the verdict; none where there is no verdict."""
    some_agree = any(reading.agrees for reading in result.readings)
    return tuple(r for r in result.readings if some_agree and r.verdict and not r.agrees)


def dissent(reading: ReadingResult) -> str:
    """What a reading says that does not agree with the verdict."""
    return (
        f"another reading of the file says {reading} (weight {percent(reading.share)}; "
        f"{reading.options})"
    )


def times(factor: float) -> str:
    """``4.2 times``, ``30 times``."""
    return f"{factor:.0f} times" if factor >= 10 else f"{factor:.1f} times"


def _less(score: float) -> str:
    factor = math.exp(abs(score))
    if factor < 1.05:
        return "needs as large a pattern as the median class"
    how = "smaller" if score >= 0 else "larger"
    return f"needs a pattern {times(factor)} {how} than the median class"


def _weight(scores: ClassScores, k: int) -> str:
    median = float(scores.statistic.nanquantile(0.5))
    value = float(scores.statistic[k])
    return f"bears {times(value / median)} the L1 weight of the median class" if median > 0 else ""


# How to say one class's statistic, by the statistic's name, where it has a scale of its own.
SCALES: dict[str, Callable[[ClassScores, int], str]] = {
    "log_norm_ratio": lambda scores, k: _less(float(scores.statistic[k])),
    "best_l1_weight": _weight,
}


def scale(scores: ClassScores, k: int) -> str:
    """One class's score on a scale that a person can read; empty where there is none.

    A score without a scale of its own is said by the sizes of the perturbations that it was made
    from.
    """
    if math.isnan(float(scores.statistic[k])):
        return ""
    if scores.name in SCALES:
        return SCALES[scores.name](scores, k)
    ratios = [float(one.log_ratio[k]) for one in scores.sizes if one.log_ratio is not None]
    return _less(max(known)) if (known := [r for r in ratios if not math.isnan(r)]) else ""


def short_scale(scores: ClassScores, k: int) -> str:
    """The same without saying what it is compared with, for a column that does."""
    said = scale(scores, k)
    for words in ("needs a pattern ", "needs ", "bears ", " than the median class"):
        said = said.replace(words, "")
    return said.replace(" a pattern as the median class", "").replace(" of the median class", "")


def perturbations(scores: ClassScores) -> tuple[Perturbation, ...]:
    """Every perturbation that was found, once, those of the parts last."""
    return tuple(perturbation for _, perturbation in owned_perturbations(scores))


def owned_perturbations(scores: ClassScores) -> list[tuple[ClassScores, Perturbation]]:
    """The same, each with the scores that have it; parts often have those of the whole."""
    found: dict[tuple[int | None, str], tuple[ClassScores, Perturbation]] = {}
    for part in _parts(scores):
        for perturbation in part.perturbations:
            found.setdefault((perturbation.target, perturbation.basis), (part, perturbation))
    return list(found.values())


def _parts(scores: ClassScores) -> tuple[ClassScores, ...]:
    return (scores, *scores.parts)


def source_of(result: Scanned, perturbation: Perturbation) -> int | None:
    """The class whose images a perturbation was searched on, where it was those alone.

    A way out of one class comes before the perturbations for any image.
    """
    target, found = perturbation.target, result.scores.perturbations
    first = next((one for one in found if one.target == target), None)
    return (
        None if target is None or perturbation is not first else result.verdict.sources.get(target)
    )


def pattern_of(perturbation: Perturbation, names: Sequence[str], source: int | None = None) -> str:
    """What a perturbation is: ``smallest pattern for class 7``, ``... that changes any answer``.

    ``source`` is the class whose images alone it is for.
    """
    kind = PATTERNS[perturbation.basis]
    if perturbation.basis == "stamp":
        named = "any class" if perturbation.target is None else label(perturbation.target, names)
        return f"{kind} for class {named}"
    if perturbation.target is None:
        return f"smallest {kind} that changes any answer"
    target = label(perturbation.target, names)
    if source is None:
        return f"smallest {kind} for class {target}"
    return f"smallest {kind} from class {label(source, names)} to class {target}"


def size(perturbation: Perturbation) -> str:
    """``0.57 px (median class: 34 px)``."""
    if math.isnan(perturbation.size):
        if perturbation.status is Status.CONVERGED:
            return "size not measured"
        return f"no size, as the search ended {perturbation.status.value.replace('_', ' ')}"
    unit = UNITS[perturbation.basis]
    own = f"{sized(perturbation.size)} {unit}"
    if not perturbation.median_size > 0:
        return own
    return f"{own} (median class: {sized(perturbation.median_size)} {unit})"


def success_rate(perturbation: Perturbation) -> str:
    """On how many images it works that the search never saw; empty where that is not known."""
    rate = perturbation.success_rate
    return "" if math.isnan(rate) else f"works on {percent(rate)} of held-out images"


def in_short(perturbation: Perturbation, names: Sequence[str], source: int | None = None) -> str:
    """``smallest pattern for class 7: 0.57 px (median class: 34 px); works on 64 % of ...``."""
    measured = "; ".join(filter(None, (size(perturbation), success_rate(perturbation))))
    return f"{pattern_of(perturbation, names, source)}: {measured}"


def sizes_of(scores: ClassScores, basis: Basis) -> dict[int, float]:
    """The size of every measured class in a basis."""
    sizes = scores.sizes_in(basis)
    values = enumerate([] if sizes is None else sizes.size.tolist())
    return {k: v for k, v in values if math.isfinite(v) and v > 0}


def beside_others(
    result: Scanned, scores: ClassScores, perturbation: Perturbation
) -> Iterator[str]:
    """What may look odd beside the size of a flagged class: smaller patterns of other classes.

    Sizes alone do not decide: clean networks of some tasks have classes that little leads to.
    """
    size, target = perturbation.size, perturbation.target
    rows = deciding_rows(result.verdict)
    if target is None or math.isnan(size):
        return
    if perturbation.median_size > 0 and size >= perturbation.median_size:
        by = "another test" if (row := rows[target]) is None else row.test
        yield f"this pattern is not small beside the median class: the flag is by {by}"
    sizes = sizes_of(scores, perturbation.basis)
    smaller = sorted(
        (k for k, v in sizes.items() if v < size and k not in result.verdict.flagged),
        key=sizes.__getitem__,
    )
    for k in smaller[:MOST_SMALLER]:
        own = f"{sized(sizes[k])} {UNITS[perturbation.basis]}"
        yield f"class {label(k, result.class_names)} needs less, {own}, but {_why_not(rows[k])}"
    if (left := len(smaller) - MOST_SMALLER) > 0:
        yield f"{left} more classes need less and are not flagged"


def _why_not(row: Evidence | None) -> str:
    """Why a class is not flagged, by the row that decided about it."""
    if row is None or math.isnan(row.score):
        return "was not judged"
    index = f"its anomaly index is {row.score:.2f}"
    if row.flags or not math.isfinite(row.flag_at):
        return f"is not flagged: {index}, and another test speaks against it"
    level = f"threshold {row.flag_at:.2f}"
    if row.null.kind in ("same-task", "same-recipe"):
        return f"is not flagged: {index} beside clean {printable(row.null.name)}, {level}"
    return f"is not flagged: {index}, {level}"


def tried(trial: Trial, names: Sequence[str]) -> str:
    """What a perturbation did to the user's own images."""
    kind = PATTERNS[trial.basis]
    if trial.target is None:
        works = percent(trial.success_rate)
        return f"the {kind} changes the answer to {works} of {trial.count} images"
    target = label(trial.target, names)
    if not trial.count:
        return (
            f"the {kind} for class {target} cannot be tried: "
            "the network answers that class without it"
        )
    return (
        f"the {kind} for class {target} works on {percent(trial.success_rate)} "
        f"of {trial.count} images"
    )
