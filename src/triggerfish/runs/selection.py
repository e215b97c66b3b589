"""Which of the files that were found are scanned: patterns, and one share of several."""

from __future__ import annotations

import fnmatch
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from triggerfish.runs.model import Model, Source


@dataclass(frozen=True)
class Shard:
    """Share ``index`` of ``count``, counted from one."""

    index: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.index <= self.count:
            raise ValueError(f"expected a shard like 1/4, got {self.index}/{self.count}")

    @staticmethod
    def parse(text: str) -> Shard:
        """Read ``I/N``; raises `ValueError`."""
        index, _, count = text.partition("/")
        if not (index.isdecimal() and count.isdecimal()):
            raise ValueError(f"expected a shard like 1/4, got {text!r}")
        return Shard(int(index), int(count))

    def __contains__(self, model: Model) -> bool:
        """By content: files that come and go meanwhile move no other to another share."""
        digest = hashlib.sha256((model.sha256 or model.key).encode()).digest()
        return int.from_bytes(digest[:8], "big") % self.count == self.index - 1

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


def select(
    sources: Iterable[Source], include: Sequence[str], exclude: Sequence[str]
) -> list[Source]:
    """Sources that match one of ``include``, where there are any, and none of ``exclude``.

    A pattern (``*``, ``?``, ``[a-z]``) is for the file's name, or, with a slash in it, for the end
    of its path.
    """
    return [
        source
        for source in sources
        if (not include or _matches(source, include)) and not _matches(source, exclude)
    ]


def _matches(source: Source, patterns: Sequence[str]) -> bool:
    path = source.path.as_posix()
    return any(
        fnmatch.fnmatchcase(path, pattern if pattern.startswith("/") else f"*/{pattern}")
        or fnmatch.fnmatchcase(path, pattern)
        for pattern in patterns
    )
