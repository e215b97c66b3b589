"""Results -> text or bytes, one format a file; nothing here opens a file but the package's own.

A format is a function from results to pieces of text, so that a table or a CSV appears line by
line while the scan runs. A new one is one file and one line in `FORMATS`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from triggerfish.reports.about import PLAIN, About
from triggerfish.reports.csv_report import render_csv
from triggerfish.reports.cyclonedx import render_cyclonedx
from triggerfish.reports.html import render_html
from triggerfish.reports.json_report import render_json, render_json_lines
from triggerfish.reports.junit import render_junit
from triggerfish.reports.markdown import render_markdown
from triggerfish.reports.sarif import render_sarif
from triggerfish.reports.table import render_table
from triggerfish.results import Scanned, Skipped


class Format(Protocol):
    """Results, and what is known beside them, to pieces of text."""

    def __call__(
        self, results: Iterable[Scanned | Skipped], about: About = PLAIN, /
    ) -> Iterator[str]:
        """The report, piece by piece."""
        ...


FORMATS: dict[str, Format] = {
    "table": render_table,
    "json": render_json,
    "jsonl": render_json_lines,
    "csv": render_csv,
    "sarif": render_sarif,
    "junit": render_junit,
    "cyclonedx": render_cyclonedx,
    "markdown": render_markdown,
    "html": render_html,
}
