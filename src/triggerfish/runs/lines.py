"""``results.jsonl``: one line a model, appended as it ends; the last line of a key counts.

Lines of text instead of SQLite: any tool reads them, also while a scan runs; runs of several
machines are merged by reading them; a network's file system that locks at all is enough; and a
process that is killed leaves at most one line without an end, which is cut off before the next.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triggerfish.files import refused

Document = dict[str, Any]
RETRIED = ("failed", "unsupported")
"""Kinds of skipped files that another try may help; for the others the bytes alone decide."""


@dataclass(frozen=True)
class Line:
    """Where a line is and what matters of it while a run goes on."""

    offset: int
    size: int
    outcome: str
    kind: str | None
    folder: str
    paths: tuple[str, ...]

    @property
    def settled(self) -> bool:
        """Whether scanning the same bytes again would tell nothing new."""
        return self.kind not in RETRIED


class Lines:
    """The lines of one file: where they are, not what is in them, so memory stays flat."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.latest: dict[str, Line] = {}
        self.owners: dict[str, str] = {}  # folder -> key
        self.end = self.damaged = self.count = 0

    def refresh(self) -> None:
        """Read what was appended since the last time, also by others."""
        try:
            with self.path.open("rb") as file:
                file.seek(self.end)
                for line in file:
                    if not line.endswith(b"\n"):
                        return  # still being written, or torn by a kill
                    self._take(line)
                    self.end += len(line)
        except FileNotFoundError:
            return
        except OSError as error:
            raise refused(self.path, error) from error

    def document(self, line: Line) -> Document:
        """What a line says."""
        with self.path.open("rb") as file:
            file.seek(line.offset)
            return dict(json.loads(file.read(line.size)))

    def append(self, document: Document) -> None:
        """Add a line, whole or not at all; whoever calls is alone at it."""
        line = json.dumps(document, allow_nan=False).encode() + b"\n"
        try:
            with self.path.open("ab+", buffering=0) as file:
                end = _cut_torn(file.fileno())
                if file.write(line) != len(line):
                    os.truncate(file.fileno(), end)
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise refused(self.path, error) from error
        self.refresh()

    def _take(self, text: bytes) -> None:
        try:
            document = json.loads(text)
            line = Line(
                offset=self.end,
                size=len(text),
                outcome=document["outcome"],
                kind=document.get("kind"),
                folder=document["folder"],
                paths=tuple(document["paths"]),
            )
        except (ValueError, KeyError, TypeError):
            self.damaged += 1
            return
        self.count += 1
        self.latest.pop(document["key"], None)
        self.latest[document["key"]] = line
        self.owners[line.folder] = document["key"]

    def current(self) -> Iterator[tuple[str, Line]]:
        """The last line of each key; none whose files were all scanned anew since, as others."""
        owners = {path: key for key, line in self.latest.items() for path in line.paths}
        for key, line in self.latest.items():
            if any(owners[path] == key for path in line.paths):
                yield key, line


def _cut_torn(file: int) -> int:
    """Remove what follows the last whole line; returns the file's size."""
    size = end = os.fstat(file).st_size
    while end:
        start = max(0, end - 65536)
        block = os.pread(file, end - start, start)
        if b"\n" in block:
            end = start + block.rindex(b"\n") + 1
            break
        end = start
    if end != size:
        os.truncate(file, end)
    return end
