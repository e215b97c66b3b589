"""A run folder: ``results.jsonl``, and beside it a folder of files for each model."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from triggerfish.errors import OutputError
from triggerfish.files import ensure_writable, refused
from triggerfish.reports.html import REPORT
from triggerfish.results import Scanned, Skipped
from triggerfish.runs.lines import Document, Lines
from triggerfish.runs.locks import Locks
from triggerfish.runs.model import Model
from triggerfish.runs.outcome import Files
from triggerfish.stored import check_version, read_result, read_results, revived_from

RESULTS, LOCKS = "results.jsonl", ".locks"
_PARTIAL = ".partial-"


class RunFolder:
    """What a run writes into; several processes may, each model is for one of them at a time."""

    def __init__(self, path: Path) -> None:
        ensure_writable(path)
        self.path = path
        self.lines = Lines(path / RESULTS)
        self._locks = Locks(path / LOCKS)
        with self._locks.writing():
            for left in path.glob(f"{_PARTIAL}*"):  # by a process that was killed
                shutil.rmtree(left, ignore_errors=True)
            if not (path / RESULTS).exists() and (path / REPORT).exists():
                raise OutputError(f"{path} has a {REPORT} of something else: choose another --out")
            _touch(path / RESULTS)  # a share without models is a run folder, too
        self.lines.refresh()
        if self.lines.end and not self.lines.latest:
            raise OutputError(f"{path / RESULTS} is of something else: choose another --out")
        self._start = self.lines.end

    def close(self) -> None:
        """Let go of the locks."""
        self._locks.close()

    def settled(self, model: Model, *, since_start: bool = False) -> bool:
        """Whether the model has a result that another scan would not change.

        ``since_start`` asks for one by another process meanwhile, and takes whatever it is.
        """
        line = self.lines.latest.get(model.key)
        if line is None or not (self.path / line.folder).is_dir():
            return False
        return line.offset >= self._start if since_start else line.settled

    def claim(self, model: Model) -> bool:
        """Try to be the only one who scans this model."""
        if not self._locks.claim(model.key):
            return False
        self.lines.refresh()
        return True

    def release(self, model: Model) -> None:
        """Let others scan this model."""
        self._locks.release(model.key)

    def keep(self, model: Model, document: Document, files: Files) -> None:
        """Write a model's files, then its line; both whole or not at all."""
        with self._locks.writing():
            self.lines.refresh()
            name = self._place(model)
            self._write(name, files)
            self._append(model, name, document)

    def add_names(self, model: Model) -> None:
        """Put down paths that lead to a model of old."""
        line = self.lines.latest[model.key]
        new = [str(path) for path in model.paths if str(path) not in line.paths]
        if new:
            with self._locks.writing():
                document = self.lines.document(line)
                self.lines.append({**document, "paths": [*document["paths"], *new]})

    def result(self, key: str) -> Scanned | Skipped:
        """The stored result of a key, with the images beside it."""
        line = self.lines.latest[key]
        return revived_from(self.lines.document(line), self.path / line.folder, self.lines.path)

    def _append(self, model: Model, name: str, document: Document) -> None:
        paths = [str(path) for path in model.paths]
        self.lines.append({"key": model.key, "folder": name, "paths": paths, **document})

    def _place(self, model: Model) -> str:
        """The name of its folder: the one it has, else the one it should have, if that is free."""
        paths = {str(path) for path in model.paths}
        for name in _numbered(model.folder):
            owner = self.lines.owners.get(name)
            if owner is None:
                if not (self.path / name).exists() or _is_ours(self.path / name, paths):
                    return name
            elif owner == model.key or paths & set(self.lines.latest[owner].paths):
                return name
        raise AssertionError("names do not end")

    def _write(self, name: str, files: Files) -> None:
        """Fill a folder beside it and let the two change places."""
        target, partial = self.path / name, self.path / f"{_PARTIAL}{name}"
        try:
            if partial.exists():
                shutil.rmtree(partial)
            partial.mkdir()
            for file, content in files:
                (partial / file).write_bytes(content)
            if target.exists():
                shutil.rmtree(target)
            partial.rename(target)
        except OSError as error:
            shutil.rmtree(partial, ignore_errors=True)
            raise refused(target, error) from error


def _touch(file: Path) -> None:
    try:
        file.touch()
    except OSError as error:
        raise refused(file, error) from error


def _is_ours(folder: Path, paths: set[str]) -> bool:
    """Whether a folder that no line names is what a killed scan, or one before runs, has left."""
    recorded = read_result(folder)
    return folder.is_dir() and (recorded is None or str(recorded.get("path")) in paths)


def _numbered(name: str) -> Iterator[str]:
    yield name
    number = 2
    while True:
        yield f"{name}-{number}"
        number += 1


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
