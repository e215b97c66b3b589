"""Results -> text or bytes, one format a file; nothing here opens a file.

A format is a function from results to pieces of text, so that a table or a CSV appears line by
line while the scan runs. A new one is one file and one line in `FORMATS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from triggerfish.reports.csv_report import render_csv
from triggerfish.reports.json_report import render_json
from triggerfish.reports.table import render_table
from triggerfish.results import Scanned, Skipped

Format = Callable[[Iterable[Scanned | Skipped]], Iterator[str]]

FORMATS: dict[str, Format] = {"table": render_table, "json": render_json, "csv": render_csv}
