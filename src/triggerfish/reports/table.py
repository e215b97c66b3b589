"""One line a model, for people: verdict, target, anomaly index, p-value, time, file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from triggerfish.reports.summary import outcome, summarize
from triggerfish.reports.text import largest, number, optional, printable
from triggerfish.results import Scanned, Skipped

# The widths are fixed because lines are printed as models finish; the path comes last.
LINE = "{:<12}  {:>9}  {:>13}  {:>12}  {:>7}  {}\n"


def render_table(results: Iterable[Scanned | Skipped]) -> Iterator[str]:
    """A header, one line a result as it comes, and the counts."""
    yield LINE.format("verdict", "target", "anomaly index", "p-value", "seconds", "model")
    outcomes = []
    for result in results:
        yield row(result)
        outcomes.append(outcome(result))
    yield f"{summarize(outcomes)}\n"


def row(result: Scanned | Skipped) -> str:
    """The line of one result; reasons follow the file's name."""
    if isinstance(result, Skipped):
        return LINE.format(
            "skipped", "-", "-", "-", "-", printable(f"{result.path}: {result.reason}")
        )
    verdict = result.verdict
    model = "-" if result.path is None else str(result.path)
    return LINE.format(
        verdict.name,
        ",".join(map(str, verdict.flagged)) or "-",
        number(largest(verdict.anomaly_index), ".2f") or "-",
        optional(verdict.p_value, ".2g") or "uncalibrated",
        f"{result.seconds:.1f}",
        printable(
            ": ".join([model, "; ".join(map(str, verdict.reasons))]) if verdict.reasons else model
        ),
    )
