"""What whoever asks for a scan adds to its results, wherever they are made."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace

from triggerfish.results import Scanned, Skipped


@dataclass(frozen=True)
class Complete:
    """Names of the classes, and the words of the command without its paths, where there was one."""

    class_names: tuple[str, ...] = ()
    command: tuple[str, ...] = ()

    def __call__(self, result: Scanned | Skipped) -> Scanned | Skipped:
        """The result with the names of its classes and the command that repeats its scan."""
        if isinstance(result, Skipped):
            return result
        result = _named(result, self.class_names)
        if not self.command:
            return result
        return replace(result, command=shlex.join([*self.command, str(result.path)]))


def _named(result: Scanned, names: tuple[str, ...]) -> Scanned:
    """The result with the user's names of the classes, where there are as many."""
    count = len(result.scores.status)
    if len(names) == count:
        return replace(result, class_names=names)
    if not names:
        return result
    note = f"expected {count} class names, got {len(names)} with --class-names: they are not used"
    return replace(result, verdict=replace(result.verdict, notes=(*result.verdict.notes, note)))
