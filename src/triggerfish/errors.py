"""Every error that Triggerfish raises on purpose.

Messages read *expected X, got Y: fix*, on one line: the command line prints them as they are.
Wrong arguments raise ``ValueError``; these classes are for what comes from outside: files, models,
folders.
"""

from __future__ import annotations


class TriggerfishError(Exception):
    """Base class: catch this to catch everything that Triggerfish raises on purpose."""


class CheckpointError(TriggerfishError):
    """A model file cannot be read, is malformed, or holds something else than weights."""


class DangerousFileError(CheckpointError):
    """A file names code that opening it the usual way would run; ``imports`` are all the names."""

    kind = "dangerous"

    def __init__(self, message: str, imports: tuple[str, ...]) -> None:
        super().__init__(message)
        self.imports = imports

    def __reduce__(self) -> tuple[type[DangerousFileError], tuple[str, tuple[str, ...]]]:
        """Pickle with both arguments, for results that come from another process."""
        return type(self), (str(self), self.imports)


class UnsupportedModelError(TriggerfishError):
    """A model was read, but it is not an image classifier that can be scanned."""


class DatasetError(TriggerfishError):
    """A data set is missing, incomplete or corrupt."""


class OutputError(TriggerfishError):
    """A result cannot be written where it was asked for."""
