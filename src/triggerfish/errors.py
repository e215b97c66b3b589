"""Every error that Triggerfish raises on purpose.

Messages read *expected X, got Y: fix*, on one line: the command line prints them as they are.
Wrong arguments raise ``ValueError``; these classes are for what comes from outside: files, models,
folders.
"""


class TriggerfishError(Exception):
    """Base class: catch this to catch everything that Triggerfish raises on purpose."""


class CheckpointError(TriggerfishError):
    """A model file cannot be read, is malformed, or holds something else than weights."""


class UnsupportedModelError(TriggerfishError):
    """A model was read, but it is not an image classifier that can be scanned."""


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
