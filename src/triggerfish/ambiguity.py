"""One verdict for a network that can be read in several ways: what most of their weight says.

Names and shapes of weights do not tell the whole function, nor what images were turned into before
it. Plausible readings are scanned, the likeliest first, and each answer counts by how well the
reading fits the weights (`triggerfish.loading.fit`). What two thirds of that say is the verdict,
and an accusation needs four fifths; readings that can no longer change it are not scanned. Where
nothing has so much, the verdict is *inconclusive* and names every reading with its result and the
command that settles it. It is *inconclusive* as well where the network is a guessed chain and a
connection around a layer would fit too: that network was not scanned, so nothing is known of it.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace

from triggerfish.loading.load import Reading
from triggerfish.model.classifier import Classifier
from triggerfish.model.folding import forget_folded
from triggerfish.reports.reasons import loading_words
from triggerfish.results import Finding, ReadingResult, Scanned, Verdict, VerdictName
from triggerfish.search.progress import share_of_work
from triggerfish.verdict.conclude import conclude

ARCHITECTURE = "ambiguous-architecture"
PREPROCESSING = "preprocessing-matters"

NEEDED = 2 / 3
"""Of the readings' shares, for a verdict. A network that is read wrongly may be accused though it
is clean, or hide its trigger, so some of several readings may disagree; chosen on other people's
*develop* networks."""

NEEDED_TO_ACCUSE = 0.8
"""The same for the classes that are flagged. A package's clean network of faces was accused by a
reading of weight 0.71 that was not its own; its own reading, of 0.29, flagged nothing."""

MOST_NAMED = 3
"""Layers that are named where a connection may go around more."""

Scan = Callable[[Classifier], Scanned]


def scan_readings(readings: Classifier | Sequence[Reading], scan: Scan) -> Scanned:
    """Scan the readings of one network, the likeliest first, until no other changes the verdict.

    The result is that of the likeliest reading with the verdict; the first one's, *inconclusive*,
    where there is none. A `Classifier` is one reading.
    """
    if isinstance(readings, Classifier):
        return scan(readings)
    total = sum(reading.share for reading in readings)
    shares = [reading.share / total for reading in readings]
    results: list[Scanned] = []
    for number, reading in enumerate(readings):
        with share_of_work(number / len(readings), (number + 1) / len(readings)):
            results.append(scan(reading.classifier))
            forget_folded(reading.classifier)
        # What the readings that are left can still give to any one answer.
        left, weights = sum(shares[len(results) :]), _weights(shares, results)
        has = {answer for answer, weight in weights.items() if weight >= _needed(answer)}
        may = {answer for answer, weight in weights.items() if weight + left >= _needed(answer)}
        if not may and left < NEEDED:  # nor is there enough for an answer that nobody gave yet
            return _undecided(readings, shares, results)
        if has and has == may and left < NEEDED:
            break
    decided = results[0] if len(readings) == 1 else _decided(readings, shares, results)
    return _doubted(readings[0], decided) if readings[0].skippable else decided


def _doubted(reading: Reading, result: Scanned) -> Scanned:
    """Inconclusive: the weights fit a chain, and a residual network too, whose names are flat."""
    layers = ", ".join(reading.skippable[:MOST_NAMED])
    finding = Finding(
        ARCHITECTURE,
        f"the weights fit a plain chain of layers, which was scanned, and a network with "
        f"connections around {layers}, which is another function. Scan with --arch "
        f"{reading.architecture} if it is the chain; else write the network down",
        shlex.join(["triggerfish", "arch", "init", str(result.path or reading.classifier.name)]),
    )
    verdict = result.verdict
    reasons = (finding, *verdict.reasons)
    return replace(result, verdict=conclude(verdict.evidence, reasons, verdict.notes), trials=())


def _answers(verdict: Verdict) -> set[int | VerdictName]:
    """What a verdict says: the classes that are targets, or its name where it lists none."""
    return set(verdict.flagged) or {verdict.name}


def _weights(shares: Sequence[float], results: Sequence[Scanned]) -> dict[int | VerdictName, float]:
    """How much of the readings' weight gives each answer, as far as they were scanned."""
    weights: dict[int | VerdictName, float] = {}
    for share, result in zip(shares, results, strict=False):
        for answer in _answers(result.verdict):
            weights[answer] = weights.get(answer, 0.0) + share
    return weights


def _needed(answer: int | VerdictName) -> float:
    """Of the readings' shares, for an answer."""
    return NEEDED if answer in ("clean", "inconclusive") else NEEDED_TO_ACCUSE


def _decided(
    readings: Sequence[Reading], shares: Sequence[float], results: Sequence[Scanned]
) -> Scanned:
    agreed = {a for a, weight in _weights(shares, results).items() if weight >= _needed(a)}
    # The likeliest of those that give most of the agreed answers.
    says = max(results, key=lambda result: len(agreed & _answers(result.verdict)))
    verdict = _restricted(says.verdict, agreed)
    agrees = [_answers(result.verdict) == _answers(verdict) for result in results]
    scanned = zip(readings, shares, agrees, strict=False)
    same = [(f"({reading.options})", share) for reading, share, fits in scanned if fits]
    note = (
        f"{len(same)} of {len(readings)} readings of the file give this verdict (weight "
        f"{100 * sum(share for _, share in same):.0f} %): {', '.join(name for name, _ in same)}"
    )
    if rest := len(readings) - len(results):
        note += f"; {rest} could not change it and {'was' if rest == 1 else 'were'} not scanned"
    return replace(
        says,
        verdict=replace(verdict, notes=(*verdict.notes, note)),
        seconds=sum(result.seconds for result in results),
        readings=_said(readings, shares, results, agrees),
    )


def _restricted(verdict: Verdict, agreed: set[int | VerdictName]) -> Verdict:
    """The verdict without the classes that too few readings accuse: their rows are notes alone."""
    dropped = {h for h in verdict.accused if h.target is not None and h.target not in agreed}
    if not dropped:
        return verdict
    rows = [replace(r, note_only=True) if r.hypothesis in dropped else r for r in verdict.evidence]
    return conclude(rows, verdict.reasons, verdict.notes)


def _said(
    readings: Sequence[Reading],
    shares: Sequence[float],
    results: Sequence[Scanned],
    agrees: Sequence[bool],
) -> tuple[ReadingResult, ...]:
    """What each reading says; those that were not scanned last."""
    said = [
        ReadingResult(
            reading.options, share, result.verdict.name, result.verdict.flagged,
            result.verdict.all_classes, same,
        )
        for reading, share, result, same in zip(readings, shares, results, agrees, strict=False)
    ]  # fmt: skip
    rest = zip(readings[len(results) :], shares[len(results) :], strict=True)
    return (*said, *(ReadingResult(reading.options, share, None) for reading, share in rest))


def _undecided(
    readings: Sequence[Reading], shares: Sequence[float], results: Sequence[Scanned]
) -> Scanned:
    first, said = results[0], _said(readings, shares, results, [False] * len(results))
    code = ARCHITECTURE if _networks(readings[: len(results)]) > 1 else PREPROCESSING
    findings = [
        _finding(code, reading, result, first)
        for reading, result in zip(readings, said, strict=True)
    ]
    return replace(
        first,
        verdict=conclude(first.verdict.evidence, findings, first.verdict.notes),
        seconds=sum(result.seconds for result in results),
        trials=(),
        readings=said,
    )


def _networks(readings: Sequence[Reading]) -> int:
    return len({(reading.architecture, reading.classifier.input_shape) for reading in readings})


def _finding(code: str, reading: Reading, says: ReadingResult, first: Scanned) -> Finding:
    classifier = reading.classifier
    words = loading_words(classifier.assumptions, classifier.facts)
    command = shlex.join(["triggerfish", "scan", str(first.path or classifier.name), *words])
    return Finding(
        code,
        f"the readings of the file disagree: {says} with {says.options} "
        f"(weight {100 * says.share:.0f} %). Say which reading is true",
        command,
    )
