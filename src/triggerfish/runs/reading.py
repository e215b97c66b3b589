"""Results wherever they are: in a run folder, in a folder of results, in a file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from triggerfish.results import Scanned, Skipped
from triggerfish.runs.folder import RESULTS
from triggerfish.runs.lines import Lines
from triggerfish.stored import check_version, read_results, revived_from


def read_any(path: Path) -> Iterator[Scanned | Skipped]:
    """The results that ``path`` has, a run folder's by their last lines, one for each path.

    Raises:
        ResultError: there are none, or something else is found in their place.
    """
    if not (path / RESULTS).is_file():
        yield from read_results(path)
        return
    lines = Lines(path / RESULTS)
    lines.refresh()
    for _, line in lines.current():
        document = lines.document(line)
        check_version(document, lines.path)
        result = revived_from(document, path / line.folder, lines.path)
        yield from (replace(result, path=Path(name)) for name in line.paths)
