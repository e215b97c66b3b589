"""One line a model, for spreadsheets and scripts."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from triggerfish.reports.about import PLAIN, About
from triggerfish.reports.severity import severity_of
from triggerfish.reports.summary import outcome, parts_of
from triggerfish.reports.text import number, optional, printable
from triggerfish.results import Scanned, Skipped
from triggerfish.results.deciding import index_and_threshold

COLUMNS = (
    "path", "sha256", "status", "verdict", "flagged", "largest_anomaly_index", "threshold",
    "p_value", "smallest_p_value", "reference", "reasons", "seconds", "detector",
    "outcome", "flagged_names", "imports", "accepted", "parts", "severity",
)  # fmt: skip


def render_csv(results: Iterable[Scanned | Skipped], _: About = PLAIN) -> Iterator[str]:
    """A header, then one line a result as it comes; lists are joined by ``;``."""
    yield csv_line(COLUMNS)
    for result in results:
        yield csv_line([*_cells(result), *_outcome(result)])


def csv_line(cells: Sequence[object]) -> str:
    """One line of a CSV file, quoted where needed, ending in a newline."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def _outcome(result: Scanned | Skipped) -> list[object]:
    """The last columns, from what a result counts as to how strong its flag is."""
    names = result.class_names if isinstance(result, Scanned) else ()
    flagged = result.verdict.flagged if isinstance(result, Scanned) else ()
    imports = result.imports if isinstance(result, Skipped) else ()
    severity = severity_of(result.verdict) if isinstance(result, Scanned) else None
    return [
        outcome(result),
        printable(";".join(names[k] for k in flagged if k < len(names))),
        printable(";".join(imports)),
        "" if result.accepted is None else printable(result.accepted.reason),
        "; ".join(f"{part}: {verdict.headline}" for part, verdict in parts_of(result)),
        "" if severity is None else severity.grade,
    ]


def _cells(result: Scanned | Skipped) -> list[object]:
    if isinstance(result, Skipped):
        sha256 = result.sha256 or ""
        empty = [""] * 7
        return [printable(result.path), sha256, "skipped", *empty, printable(result.reason), "", ""]
    verdict = result.verdict
    index, threshold = index_and_threshold(verdict)
    return [
        "" if result.path is None else printable(result.path),
        result.sha256 or "",
        "scanned",
        verdict.name,
        ";".join(map(str, verdict.flagged)),
        number(index),
        number(threshold),
        optional(verdict.p_value),
        optional(verdict.smallest_p_value),
        printable(verdict.reference or ""),
        printable("; ".join(map(str, verdict.reasons))),
        number(result.seconds, ".3f"),
        result.detector,
    ]
