"""Every error that Triggerfish raises on purpose.

Messages read *expected X, got Y: fix*, on one line: the command line prints them as they are.
Wrong arguments raise ``ValueError``; these classes are for what comes from outside: files, models,
folders.
"""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import ClassVar, Literal

Kind = Literal["unreadable", "unsupported", "dangerous", "failed"]

LONGEST = 200
CUT = " ..."


class TriggerfishError(Exception):
    """Base class: catch this to catch everything that Triggerfish raises on purpose.

    ``kind`` is how a model that provokes it is *skipped*; ``imports`` what a *dangerous* one names.
    """

    kind: ClassVar[Kind] = "failed"
    imports: tuple[str, ...] = ()


class CheckpointError(TriggerfishError):
    """A model file cannot be read, is malformed, or holds something else than weights."""

    kind: ClassVar[Kind] = "unreadable"


class DangerousFileError(CheckpointError):
    """A file names code that opening it the usual way would run; ``imports`` are all the names."""

    kind: ClassVar[Kind] = "dangerous"

    def __init__(self, message: str, imports: tuple[str, ...]) -> None:
        super().__init__(message)
        self.imports = imports

    def __reduce__(self) -> tuple[type[DangerousFileError], tuple[str, tuple[str, ...]]]:
        """Pickle with both arguments, for results that come from another process."""
        return type(self), (str(self), self.imports)


class UnsupportedModelError(TriggerfishError):
    """A model was read, but it is not an image classifier that can be scanned."""

    kind: ClassVar[Kind] = "unsupported"


class NothingToRepairError(UnsupportedModelError):
    """A scan names nothing in a model that a repair could undo."""


class DatasetError(TriggerfishError):
    """A data set is missing, incomplete or corrupt."""


class OutputError(TriggerfishError):
    """A result cannot be written where it was asked for."""


class ResultError(TriggerfishError):
    """A stored result cannot be read, or is none."""


class AcceptanceError(TriggerfishError):
    """A list of accepted files cannot be read."""


class ProjectError(TriggerfishError):
    """A project's triggerfish.toml cannot be read, or has what it may not have."""


class WorkerError(TriggerfishError):
    """Processes that were to do the work do not start, or die again and again."""


def one_line(error: BaseException, *, last: bool = False) -> str:
    """What an error of someone else's says, on one line of at most `LONGEST` characters.

    Its first line, or the ``last`` where the cause stands at the end; the system's words for an
    ``OSError``; the name of its type when it says nothing.
    """
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    line = lines[-1 if last else 0] if lines else type(error).__name__
    if len(line) <= LONGEST:
        return line
    start = line[: LONGEST - len(CUT)]
    return (start.rpartition(" ")[0] or start) + CUT


def described(error: BaseException) -> str:
    """An error that nobody expected, on one line with its place in the code."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(place.filename).name}:{place.lineno}"
    return f"{type(error).__name__}: {one_line(error)} ({where})"
