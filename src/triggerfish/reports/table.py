"""One line a model, for people: verdict, target, anomaly index, p-value, time, file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from triggerfish.reports.about import PLAIN, About
from triggerfish.reports.details import details
from triggerfish.reports.summary import outcome, summarize
from triggerfish.reports.text import optional, printable
from triggerfish.reports.words import beside_threshold, label
from triggerfish.results import Scanned, Skipped

# The widths are fixed because lines are printed as models finish; the path comes last.
LINE = "{:<12}  {:>9}  {:>17}  {:>12}  {:>7}  {}\n"


def render_table(results: Iterable[Scanned | Skipped], about: About = PLAIN) -> Iterator[str]:
    """A header, one line a result as it comes, what there is to say about them, and the counts."""
    yield LINE.format("verdict", "target", "index / threshold", "p-value", "seconds", "model")
    outcomes, below = [], list[str]()
    for result in results:
        found = outcome(result)
        outcomes.append(found)
        if found != "clean" or not about.quiet:
            yield row(result)
        if said := details(result, about):
            below.append(said)
    yield from below
    if below:
        yield "\n"
    yield f"{summarize(outcomes, about.other_files)}\n"


def row(result: Scanned | Skipped) -> str:
    """The line of one result."""
    if isinstance(result, Skipped):
        return LINE.format(outcome(result), "-", "-", "-", "-", printable(result.path))
    verdict = result.verdict
    return LINE.format(
        outcome(result),
        _target(result),
        beside_threshold(result),
        optional(verdict.p_value, ".2g") or "uncalibrated",
        f"{result.seconds:.1f}",
        "-" if result.path is None else printable(result.path),
    )


def _target(result: Scanned) -> str:
    """Numbers, with the name where there is one class and room for it."""
    flagged = result.verdict.flagged
    if result.verdict.all_classes:
        return "all"
    if len(flagged) == 1 and len(named := label(flagged[0], result.class_names)) <= 9:
        return named
    return ",".join(map(str, flagged)) or "-"
