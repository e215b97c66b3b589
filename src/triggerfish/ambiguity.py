"""One verdict for a file that can be read in several ways: only where all readings agree.

Names and shapes of weights do not tell the whole function, nor what images were turned into before
it. Each plausible reading is scanned; where two give different verdicts, the verdict is
*inconclusive* and names every reading with its result and the command that settles it.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace

from triggerfish.loading.load import LoadedModel
from triggerfish.model.classifier import Classifier
from triggerfish.reports.reasons import loading_words
from triggerfish.results import Finding, Scanned, Verdict
from triggerfish.search.progress import share_of_work

ARCHITECTURE = "ambiguous-architecture"
PREPROCESSING = "preprocessing-matters"

Scan = Callable[[Classifier], Scanned]


def scan_candidates(models: Classifier | Sequence[LoadedModel], scan: Scan) -> Scanned:
    """Scan each reading of one file, the likeliest first, until two disagree.

    The result is the first reading's, with a note where all agree; with an inconclusive verdict
    where they do not. A `Classifier` is one reading.
    """
    if isinstance(models, Classifier):
        return scan(models)
    results: list[Scanned] = []
    for number, model in enumerate(models):
        with share_of_work(number / len(models), (number + 1) / len(models)):
            results.append(scan(model.classifier))
        if _answer(results[-1].verdict) != _answer(results[0].verdict):
            return _undecided(models, results)
    if len(models) == 1:
        return results[0]
    return _agreed(models, results)


def _answer(verdict: Verdict) -> tuple[object, ...]:
    return verdict.name, verdict.flagged, verdict.all_classes


def _agreed(models: Sequence[LoadedModel], results: Sequence[Scanned]) -> Scanned:
    first = results[0]
    others = ", ".join(f"({model.options})" for model in models[1:])
    note = f"the same verdict under {len(models)} readings of the file; the others: {others}"
    seconds = sum(result.seconds for result in results)
    verdict = replace(first.verdict, notes=(*first.verdict.notes, note))
    return replace(first, verdict=verdict, seconds=seconds)


def _undecided(models: Sequence[LoadedModel], results: Sequence[Scanned]) -> Scanned:
    first = results[0]
    code = ARCHITECTURE if _networks(models[: len(results)]) > 1 else PREPROCESSING
    verdicts: list[Verdict | None] = [result.verdict for result in results]
    verdicts += [None] * (len(models) - len(results))
    findings = tuple(
        _finding(code, model, verdict, first)
        for model, verdict in zip(models, verdicts, strict=True)
    )
    verdict = replace(
        first.verdict, name="inconclusive", flagged=(), all_classes=False, seen_by={},
        reasons=findings,
    )  # fmt: skip
    return replace(first, verdict=verdict, seconds=sum(result.seconds for result in results))


def _networks(models: Sequence[LoadedModel]) -> int:
    return len({(model.architecture, model.classifier.input_shape) for model in models})


def _finding(code: str, model: LoadedModel, verdict: Verdict | None, first: Scanned) -> Finding:
    outcome = "not scanned" if verdict is None else str(replace(verdict, reasons=()))
    classifier = model.classifier
    words = loading_words(classifier.assumptions, classifier.facts)
    command = shlex.join(["triggerfish", "scan", str(first.path or classifier.name), *words])
    return Finding(
        code,
        f"expected one verdict however the file is read, got {outcome} with {model.options}: "
        "say which reading is true",
        command,
    )
