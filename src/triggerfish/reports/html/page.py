"""One result as its page shows it: plain data for the template."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass

from triggerfish.codec.plain import as_plain
from triggerfish.reports.explanation import in_words
from triggerfish.reports.html.class_chart import ClassChart, class_chart
from triggerfish.reports.html.class_rows import ClassRow, class_rows
from triggerfish.reports.html.confirmation_view import ConfirmationView, confirmation_view
from triggerfish.reports.html.pair_map import PairMap, pair_map
from triggerfish.reports.html.perturbation_view import (
    PerturbationView,
    TrialView,
    perturbation_views,
    trial_views,
)
from triggerfish.reports.html.pictures import perturbation_picture, picture, stamp_picture
from triggerfish.reports.html.plain_perturbation import beyond_ground
from triggerfish.reports.rates import how_often_wrong
from triggerfish.reports.reasons import CHECKS, next_step, next_steps
from triggerfish.reports.scope import KINDS, looked_for, not_looked_for
from triggerfish.reports.summary import outcome, parts_of
from triggerfish.reports.text import number, printable
from triggerfish.reports.words import (
    calibration,
    evidence,
    guessed_wiring,
    headline,
    label,
    perturbations,
)
from triggerfish.results import ClassScores, Scanned, Skipped, Status
from triggerfish.results.deciding import deciding_rows


@dataclass(frozen=True)
class CheckRow:
    """A check: what it asks, and what it found; empty where it found nothing."""

    code: str
    asks: str
    found: str
    command: str


@dataclass(frozen=True)
class PartRow:
    """What one detector said."""

    name: str
    highest: str
    score: str
    unmeasured: int


@dataclass(frozen=True)
class Page:
    """A model that was scanned; texts are printable, pictures are URIs."""

    name: str
    outcome: str
    headline: str
    wiring: tuple[str, ...]
    answers: tuple[str, ...]
    next: tuple[str, ...]
    perturbations: tuple[PerturbationView, ...]
    trials: tuple[TrialView, ...]
    confirmations: tuple[ConfirmationView, ...]
    chart: ClassChart
    classes: tuple[ClassRow, ...]
    probability: str
    left_out: int
    pairs: PairMap | None
    parts: tuple[PartRow, ...]
    compared_with: str
    notes: tuple[str, ...]
    facts: tuple[tuple[str, str, str], ...]
    assumptions: tuple[tuple[str, str, str], ...]
    checks: tuple[CheckRow, ...]
    looked_for: tuple[str, ...]
    unseen: tuple[str, ...]
    provenance: tuple[tuple[str, str], ...]
    config: str
    command: str


@dataclass(frozen=True)
class SkippedPage:
    """A file that was not scanned."""

    name: str
    outcome: str
    headline: str
    reason: str
    imports: tuple[str, ...]
    provenance: tuple[tuple[str, str], ...]


def file_name(result: Scanned | Skipped) -> str:
    """The last part of the path."""
    return "model in memory" if result.path is None else printable(result.path.name)


def skipped_page(result: Skipped) -> SkippedPage:
    """The page of a file that was not scanned."""
    return SkippedPage(
        name=file_name(result),
        outcome=outcome(result),
        headline=headline(result),
        reason=printable(result.reason),
        imports=tuple(map(printable, result.imports)),
        provenance=(("file", printable(result.path)), ("SHA-256", result.sha256 or "not known")),
    )


def page(result: Scanned) -> Page:
    """The page of a model."""
    scores, classes = result.scores, tuple(class_rows(result))
    return Page(
        name=file_name(result),
        outcome=outcome(result),
        headline=headline(result),
        wiring=tuple(guessed_wiring(result)),
        next=tuple(map(printable, next_steps(result))) if result.verdict.accused else (),
        answers=(evidence(result), calibration(result), how_often_wrong(result)),
        perturbations=tuple(perturbation_views(result)),
        trials=tuple(trial_views(result)),
        confirmations=tuple(
            confirmation_view(confirmation, result.class_names)
            for confirmation in result.confirmations
        ),
        chart=class_chart(result),
        classes=classes,
        probability=_probability(result) if any(row.probability for row in classes) else "",
        left_out=len(result.verdict.anomaly_index) - len(classes),
        pairs=None if scores.pairs is None else pair_map(result, scores.pairs),
        parts=tuple(_parts(result)),
        compared_with=_compared_with(result),
        notes=tuple(map(printable, result.verdict.notes)),
        facts=tuple((f.name, printable(f.value), printable(f.source)) for f in result.facts),
        assumptions=tuple(
            (a.name, printable(a.value), printable(a.because)) for a in result.assumptions
        ),
        checks=tuple(_checks(result)),
        looked_for=tuple(KINDS[kind] for kind in looked_for(result)),
        unseen=tuple(KINDS[kind] for kind in not_looked_for(result)),
        provenance=tuple(_provenance(result)),
        config=json.dumps(as_plain(result.config), indent=2),
        command=printable(result.command),
    )


def thumbnail(result: Scanned | Skipped) -> str | None:
    """The picture of a row: the perturbation to a flagged class, else the most suspicious image."""
    if isinstance(result, Skipped):
        return None
    flagged = result.verdict.flagged
    if result.stamps:
        return picture(stamp_picture(result.stamps[0]))
    for perturbation in perturbations(result.scores):
        if perturbation.target in flagged or (
            perturbation.target is None and result.verdict.all_classes
        ):
            return perturbation_picture(perturbation.delta)
    rows, scores = deciding_rows(result.verdict), result.scores
    index = {k: row.score for k in scores.classes if (row := rows[k]) is not None}
    measured = [k for k, score in index.items() if math.isfinite(score)]
    if not measured or not len(scores.images):
        return None
    most = scores.classes.index(max(measured, key=index.__getitem__))
    return perturbation_picture(beyond_ground(scores.images[most]))


def _probability(result: Scanned) -> str:
    """What the column says; with universal patterns a low value is no failure of the search."""
    said = "The probability is the network's, of the class for the image beside it."
    if not any(part.sizes for part in (result.scores, *result.scores.parts)):
        return said
    return f"{said} The pattern works on most images; where it is low, not on this one."


def _compared_with(result: Scanned) -> str:
    """The clean networks whose scores the index takes into account; empty where there are none."""
    verdict = result.verdict
    if verdict.same_task is not None:
        return f"clean networks of {printable(verdict.same_task)}"
    return "" if verdict.reference is None else f"clean models ({printable(verdict.reference)})"


def _parts(result: Scanned) -> Iterator[PartRow]:
    """A row for each different score: that of the whole is often that of a part."""
    seen = set[tuple[str, str, int]]()
    for part in (*result.scores.parts, result.scores):
        row = _part(result, part)
        if (said := (row.highest, row.score, row.unmeasured)) not in seen:
            seen.add(said)
            yield row


def _part(result: Scanned, scores: ClassScores) -> PartRow:
    values = scores.statistic.nan_to_num(-math.inf)
    known = bool(scores.statistic.isfinite().any())
    highest = int(values.argmax()) if known else 0
    return PartRow(
        name=in_words(scores.name),
        highest=label(highest, result.class_names) if known else "",
        score=number(float(values[highest]), ".2f") if known else "",
        unmeasured=int(scores.statistic.isnan().sum()),
    )


def _checks(result: Scanned) -> Iterator[CheckRow]:
    """Those that found something first. Of several with one command the last has it."""
    reasons = result.verdict.reasons
    commands = [next_step(result, reason) or "" for reason in reasons]
    for place, (reason, command) in enumerate(zip(reasons, commands, strict=True), 1):
        asks = CHECKS[reason.code].asks if reason.code in CHECKS else reason.code
        own = "" if command in commands[place:] else command
        yield CheckRow(reason.code, asks, printable(reason.text), own)
    found = {reason.code for reason in reasons}
    yield from (
        CheckRow(code, check.asks, "", "")
        for code, check in CHECKS.items()
        if code not in found and _applies(code, result)
    )


def _applies(code: str, result: Scanned) -> bool:
    """Whether a check that found nothing was made at all."""
    scores = result.scores
    is_judged = any(map(math.isfinite, result.verdict.anomaly_index))
    if code == "suspicious-structure":  # where a program is proven to decide, the headline says so
        return not any(claim.kind == "structure" for claim in result.verdict.accused)
    if code == "reference-mismatch":
        return result.verdict.reference is not None
    if code == "cap-reached":
        return result.detector == "l1-weight"
    if code == "runs-disagree":
        return scores.restarts is not None
    if code == "ties":
        return is_judged
    if code == "unclear-score":
        return is_judged and result.verdict.reference is None
    if code == "few-classes":
        return result.verdict.reference is None
    if code == "unreachable":
        return any(status is not Status.SCREENED for status in scores.status)
    if code == "implausible-norms":
        return any(part.norms for part in (scores, *scores.parts))
    if code == "unclear-all-classes":
        return scores.all_classes is not None
    if code == "not-confirmed":
        return bool(result.confirmations)
    if code == "detectors-disagree":
        return len(scores.parts) > 1
    return True


def _provenance(result: Scanned) -> Iterator[tuple[str, str]]:
    yield "file", "model in memory" if result.path is None else printable(result.path)
    yield "SHA-256", result.sha256 or "not known"
    yield from ((f"part {part} of it", printable(verdict)) for part, verdict in parts_of(result))
    yield "detector", result.detector
    yield "seconds", f"{result.seconds:.1f}"
    if "seed" in result.config:
        yield "seed", str(result.config["seed"])
    yield from ((printable(k), printable(v)) for k, v in result.environment.items())
