"""One verdict for a file that can be read in several ways: what most of their weight says.

Names and shapes of weights do not tell the whole function, nor what images were turned into before
it. Each plausible reading is scanned, and its answer counts by how well it fits the weights
(`triggerfish.loading.fit`). What two thirds of that say is the verdict, with a note of every
reading that says something else; where nothing has so much, the verdict is *inconclusive* and names
every reading with its result and the command that settles it.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from triggerfish.loading.load import Reading
from triggerfish.model.classifier import Classifier
from triggerfish.reports.reasons import loading_words
from triggerfish.results import DISSENT, Finding, Scanned, Verdict, VerdictName
from triggerfish.search.progress import share_of_work

ARCHITECTURE = "ambiguous-architecture"
PREPROCESSING = "preprocessing-matters"

NEEDED = 2 / 3
"""Of the readings' shares, for a verdict. A network that is read wrongly may be accused though it
is clean, or hide its trigger, so some of several readings may disagree; chosen on other people's
*develop* networks."""

Scan = Callable[[Classifier], Scanned]


def scan_readings(models: Classifier | Sequence[Reading], scan: Scan) -> Scanned:
    """Scan each reading of one file, the likeliest first, as long as a verdict is possible.

    The result is that of the likeliest reading with the verdict, with a note on the others; the
    first one's, *inconclusive*, where there is none. A `Classifier` is one reading.
    """
    if isinstance(models, Classifier):
        return scan(models)
    results: list[Scanned] = []
    for number, model in enumerate(models):
        with share_of_work(number / len(models), (number + 1) / len(models)):
            results.append(scan(model.classifier))
        if not _possible(models, results):
            return _undecided(models, results)
    if len(models) == 1:
        return results[0]
    return _decided(models, results)


def _answers(verdict: Verdict) -> set[int | VerdictName]:
    """What a verdict says: the classes that are targets, or its name where it lists none."""
    return set(verdict.flagged) or {verdict.name}


def _shares(
    models: Sequence[Reading], results: Sequence[Scanned]
) -> dict[int | VerdictName, float]:
    """How much of the readings' weight gives each answer, as far as they were scanned."""
    shares: dict[int | VerdictName, float] = {}
    for model, result in zip(models, results, strict=False):
        for answer in _answers(result.verdict):
            shares[answer] = shares.get(answer, 0.0) + model.share
    return shares


def _possible(models: Sequence[Reading], results: Sequence[Scanned]) -> bool:
    """Whether any answer may still get what it needs, or has it."""
    left = sum(model.share for model in models[len(results) :])
    return left + max(_shares(models, results).values(), default=0.0) >= NEEDED


def _decided(models: Sequence[Reading], results: Sequence[Scanned]) -> Scanned:
    agreed = {a for a, share in _shares(models, results).items() if share >= NEEDED}
    # The likeliest of those that give most of the agreed answers.
    says = max(results, key=lambda result: len(agreed & _answers(result.verdict)))
    flagged = tuple(k for k in says.verdict.flagged if k in agreed)
    verdict = replace(
        says.verdict,
        flagged=flagged,
        seen_by={k: by for k, by in says.verdict.seen_by.items() if k in flagged},
        notes=(*says.verdict.notes, *_notes(models, results, says)),
    )
    return replace(says, verdict=verdict, seconds=sum(result.seconds for result in results))


def _notes(models: Sequence[Reading], results: Sequence[Scanned], says: Scanned) -> Iterator[str]:
    """Which other readings give the same verdict, and what each of the rest says."""
    pairs, said = list(zip(models, results, strict=True)), _answers(says.verdict)
    same = [model for model, result in pairs if _answers(result.verdict) == said]
    share = sum(model.share for model in same)
    yield (
        f"the same verdict under {len(same)} of {len(models)} readings of the file, with "
        f"{share:.0%} of their weight: {', '.join(f'({model.options})' for model in same)}"
    )
    for model, result in pairs:
        if _answers(result.verdict) != said:
            verdict = replace(result.verdict, reasons=())
            yield f"{verdict} {DISSENT}, with {model.share:.0%} of the weight: {model.options}"


def _undecided(models: Sequence[Reading], results: Sequence[Scanned]) -> Scanned:
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


def _networks(models: Sequence[Reading]) -> int:
    return len({(model.architecture, model.classifier.input_shape) for model in models})


def _finding(code: str, model: Reading, verdict: Verdict | None, first: Scanned) -> Finding:
    outcome = "not scanned" if verdict is None else str(replace(verdict, reasons=()))
    classifier = model.classifier
    words = loading_words(classifier.assumptions, classifier.facts)
    command = shlex.join(["triggerfish", "scan", str(first.path or classifier.name), *words])
    return Finding(
        code,
        f"expected one verdict however the file is read, got {outcome} with {model.options} "
        f"({model.share:.0%} of the weight): say which reading is true",
        command,
    )
