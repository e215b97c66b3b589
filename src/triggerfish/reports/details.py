"""What there is to say about one result in a terminal: short lines below the table."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from triggerfish.reports.about import About
from triggerfish.reports.confirmations import confirmation_in_short
from triggerfish.reports.half_blocks import half_blocks
from triggerfish.reports.rates import how_often_wrong, is_counted
from triggerfish.reports.reasons import loading_words, next_steps
from triggerfish.reports.scope import KINDS, not_looked_for
from triggerfish.reports.summary import outcome, parts_of
from triggerfish.reports.text import printable
from triggerfish.reports.words import (
    WIRING,
    beside_others,
    by_pattern,
    dissent,
    dissenting,
    evidence,
    guessed_wiring,
    headline,
    in_short,
    is_in_program,
    is_of_unknown_task,
    label,
    owned_perturbations,
    perturbations,
    scale,
    source_of,
    tried,
)
from triggerfish.results import IN_PROGRAM, ON_OWN, ClassScores, Perturbation, Scanned, Skipped


def details(result: Scanned | Skipped, about: About) -> str:
    """The lines, after an empty one.

    Of a clean model only what was guessed about it and, where its task is not known, what such a
    verdict is worth, unless more was asked for; none if ``quiet``.
    """
    lines = list(lines_of(result, about))
    if isinstance(result, Scanned) and outcome(result) == "clean" and not about.verbose:
        lines = [] if about.quiet else [*guessed_wiring(result), *_worth(result), *_assumed(result)]
    if not lines:
        return ""
    path = "-" if result.path is None else printable(result.path)
    return "\n".join(["", path, *(f"  {line}" for line in lines)]) + "\n"


def lines_of(result: Scanned | Skipped, about: About) -> Iterator[str]:
    """The lines, the answer first."""
    return _skipped(result) if isinstance(result, Skipped) else _scanned(result, about)


def _skipped(result: Skipped) -> Iterator[str]:
    yield headline(result)
    yield f"because: {printable(result.reason)}"
    if result.imports:
        yield f"it imports: {printable(', '.join(result.imports))}"


def _scanned(result: Scanned, about: About) -> Iterator[str]:
    yield from guessed_wiring(result)
    yield headline(result)
    yield from (printable(n) for n in result.verdict.notes if n.startswith(IN_PROGRAM))
    if result.verdict.accused and not is_in_program(result):
        yield evidence(result)
        yield from (seen for k in result.verdict.flagged for seen in _flagged(result, k))
    for scores, perturbation in owned_perturbations(result.scores):
        if _leads_to_a_flag(result, perturbation):
            yield from _perturbation(result, scores, perturbation, about)
    for trial in result.trials:
        yield f"{ON_OWN} {tried(trial, result.class_names)}"
    yield from (printable(n) for n in result.verdict.notes if n.startswith(ON_OWN))
    for confirmation in result.confirmations:
        yield confirmation_in_short(confirmation, result.class_names)
    for reason in result.verdict.reasons:
        yield f"because: {printable(reason)}"
    yield from (f"next: {printable(step)}" for step in next_steps(result))
    yield from _verbose(result) if about.verbose else _assumed(result)


def _worth(result: Scanned) -> Iterator[str]:
    """How often a clean verdict misses a backdoor, where that is often."""
    if is_of_unknown_task(result) and is_counted(result):
        yield f"task not recognised: {how_often_wrong(result)}"


def _assumed(result: Scanned) -> Iterator[str]:
    """What was guessed, and what other readings say: a verdict never comes without."""
    if rest := [item for item in result.assumptions if item.name != WIRING]:
        said = printable(shlex.join(loading_words(rest, ())))
        yield f"guessed (set with the options shown): {said}"
    yield from (f"but {printable(dissent(reading))}" for reading in dissenting(result))
    yield from _parts(result)


def _parts(result: Scanned) -> Iterator[str]:
    """What every part of the file got, where it has several."""
    for part, verdict in parts_of(result):
        yield f"part {part} of the file: {printable(verdict)}"


def _leads_to_a_flag(result: Scanned, perturbation: Perturbation) -> bool:
    verdict = result.verdict
    return (
        verdict.all_classes
        if perturbation.target is None
        else perturbation.target in verdict.flagged
    )


def _flagged(result: Scanned, k: int) -> Iterator[str]:
    """The tests that find a class unusual; how much less it needs, where no pattern is shown."""
    shown = any(p.target == k for p in perturbations(result.scores))
    said = scale(result.scores, k) if by_pattern(result, k) and not shown else ""
    if tests := ", ".join(result.verdict.seen_by.get(k, ())):
        said = f"{said}; it is unusual by {tests}" if said else f"is unusual by {tests}"
    if said:
        yield f"class {label(k, result.class_names)} {said}"


def _perturbation(
    result: Scanned, scores: ClassScores, perturbation: Perturbation, about: About
) -> Iterator[str]:
    yield in_short(perturbation, result.class_names, source_of(result, perturbation))
    yield from beside_others(result, scores, perturbation)
    if about.pictures and not bool(perturbation.delta.isnan().any()):
        yield from half_blocks(perturbation.delta)


def _verbose(result: Scanned) -> Iterator[str]:
    yield from _parts(result)
    yield how_often_wrong(result)
    yield from (f"note: {printable(note)}" for note in result.verdict.notes)
    for fact in result.facts:
        yield f"{printable(fact.name)}: {printable(fact.value)} (from {printable(fact.source)})"
    for item in result.assumptions:
        yield f"guessed --{item.name} {printable(item.value)} ({printable(item.because)})"
    yield "not looked for: " + "; ".join(KINDS[kind] for kind in not_looked_for(result))
