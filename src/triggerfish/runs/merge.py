"""Several run folders -> one: what shards on several machines have found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from triggerfish.errors import OutputError, ResultError, one_line
from triggerfish.loading import LoadOptions
from triggerfish.runs.folder import RESULTS, RunFolder
from triggerfish.runs.lines import Lines
from triggerfish.runs.model import Model


@dataclass(frozen=True)
class Merged:
    """How many models came over, and how many were there already."""

    added: int
    present: int


def merge(target: Path, runs: Sequence[Path]) -> Merged:
    """Bring the models of ``runs`` into the run folder ``target``, which is made if need be.

    Raises:
        ResultError: one of the runs is no run folder, or lacks a model's files.
        OutputError: ``target`` cannot be written.
    """
    for path in runs:
        if not (path / RESULTS).is_file():
            raise ResultError(f"expected a run folder at {path}, got one without {RESULTS}")
    if any(path.resolve() == target.resolve() for path in runs):
        raise OutputError(f"expected another folder to merge into than {target}: it is merged")
    folder = RunFolder(target)
    try:
        counts = [_merge_one(folder, path) for path in runs]
    finally:
        folder.close()
    return Merged(sum(c.added for c in counts), sum(c.present for c in counts))


def _merge_one(folder: RunFolder, run: Path) -> Merged:
    lines, added, present = Lines(run / RESULTS), 0, 0
    lines.refresh()
    for key, line in lines.current():
        paths = tuple(Path(path) for path in line.paths)
        model = Model(key, None, paths, LoadOptions(), line.folder)
        if folder.settled(model):
            folder.add_names(model)
            present += 1
            continue
        document = lines.document(line)
        for field in ("key", "folder", "paths"):
            del document[field]
        folder.keep(model, document, _files(run / line.folder))
        added += 1
    return Merged(added, present)


def _files(folder: Path) -> tuple[tuple[str, bytes], ...]:
    try:
        return tuple((file.name, file.read_bytes()) for file in sorted(folder.iterdir()))
    except OSError as error:
        raise ResultError(
            f"expected a model's files in {folder}, got '{one_line(error)}'"
        ) from error
