"""Where to read on after a scan: the pages of what was flagged, and the page of all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from triggerfish.reports.html import REPORT
from triggerfish.reports.summary import outcome
from triggerfish.reports.text import printable
from triggerfish.runs.run import Row

MOST_PAGES = 5


class Pages:
    """What of a scan can be read as a page: in the run folder ``out``, in the file ``html``."""

    def __init__(self, out: Path | None, html: Path | None) -> None:
        self._out, self._html = out, html
        self._flagged: list[Row] = []

    def noted(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Pass rows on; those with a flag are kept in mind."""
        for row in rows:
            if outcome(row.result) == "backdoored" and len(self._flagged) < MOST_PAGES:
                self._flagged.append(row)
            yield row

    def lines(self) -> Iterator[str]:
        """One line a page; how to get one where something is flagged and there is none."""
        for row in self._flagged if self._out is not None else ():
            if self._out is not None and row.folder is not None:
                yield f"page of {printable(row.path)}: {printable(self._out / row.folder / REPORT)}"
        if self._out is not None:
            yield f"page of all models: {printable(self._out / REPORT)}"
        if self._html is not None:
            yield f"page of all models: {printable(self._html)}"
        if self._flagged and self._out is None and self._html is None:
            yield "for a page that shows the pattern: scan again with --out FOLDER"
