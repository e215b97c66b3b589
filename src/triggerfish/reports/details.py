"""What there is to say about one result in a terminal: short lines below the table."""

from __future__ import annotations

from collections.abc import Iterator

from triggerfish.reports.about import About
from triggerfish.reports.confirmations import confirmation_in_short
from triggerfish.reports.half_blocks import half_blocks
from triggerfish.reports.rates import how_often_wrong
from triggerfish.reports.reasons import next_step
from triggerfish.reports.scope import KINDS, not_looked_for
from triggerfish.reports.summary import outcome, parts_of
from triggerfish.reports.text import printable
from triggerfish.reports.words import (
    dissent,
    dissenting,
    headline,
    is_in_program,
    label,
    perturbations,
    scale,
    size,
    success_rate,
    tried,
)
from triggerfish.results import IN_PROGRAM, Perturbation, Scanned, Skipped


def details(result: Scanned | Skipped, about: About) -> str:
    """The lines, after an empty one.

    Of a clean model only what was assumed about it, unless more was asked for; none if ``quiet``.
    """
    lines = list(lines_of(result, about))
    if isinstance(result, Scanned) and outcome(result) == "clean" and not about.verbose:
        lines = [] if about.quiet else list(_assumed(result))
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
    yield headline(result)
    yield from (printable(n) for n in result.verdict.notes if n.startswith(IN_PROGRAM))
    for k in () if is_in_program(result) else result.verdict.flagged:
        yield from _flagged(result, k)
    for perturbation in perturbations(result.scores):
        if _leads_to_a_flag(result, perturbation):
            yield from _perturbation(result, perturbation, about)
    for trial in result.trials:
        yield f"on your own pictures: {tried(trial, result.class_names)}"
    for confirmation in result.confirmations:
        yield confirmation_in_short(confirmation, result.class_names)
    for reason in result.verdict.reasons:
        yield f"because: {printable(reason)}"
    if result.verdict.name == "inconclusive":
        steps = filter(None, (next_step(result, reason) for reason in result.verdict.reasons))
        yield from (f"next: {printable(step)}" for step in list(dict.fromkeys(steps))[:1])
    yield from _verbose(result) if about.verbose else _assumed(result)


def _assumed(result: Scanned) -> Iterator[str]:
    """What nobody said, and what other readings say: a verdict never comes without."""
    if result.assumptions:
        said = (f"{item.name} {printable(item.value)}" for item in result.assumptions)
        yield f"assumed, because nobody said: {', '.join(said)}"
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
    said = scale(result.scores, k)
    seen = ", ".join(result.verdict.seen_by.get(k, ()))
    if said or seen:
        by = f" (seen by {seen})" if seen else ""
        yield f"class {label(k, result.class_names)} {said or 'stands out'}{by}"


def _perturbation(result: Scanned, perturbation: Perturbation, about: About) -> Iterator[str]:
    where = (
        "away"
        if perturbation.target is None
        else f"to {label(perturbation.target, result.class_names)}"
    )
    yield f"perturbation found, {where}: {size(perturbation)}; {success_rate(perturbation)}"
    if about.pictures and not bool(perturbation.delta.isnan().any()):
        yield from half_blocks(perturbation.delta)


def _verbose(result: Scanned) -> Iterator[str]:
    yield from _parts(result)
    yield how_often_wrong(result)
    yield from (f"note: {printable(note)}" for note in result.verdict.notes)
    for fact in result.facts:
        yield f"{printable(fact.name)}: {printable(fact.value)} (from {printable(fact.source)})"
    for item in result.assumptions:
        yield f"assumed {item.name}: {printable(item.value)} ({printable(item.because)})"
    yield "not looked for: " + "; ".join(KINDS[kind] for kind in not_looked_for(result))
