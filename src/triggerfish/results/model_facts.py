"""What is known of a file beside its scores: assumptions, facts, readings, acceptances."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from triggerfish.results.verdict import VerdictName

CARRIED = "carried by the file"
"""The value of the fact *network* of a file that says what is computed with its weights."""


@dataclass(frozen=True)
class Assumption:
    """Something that neither the file, nor its card, nor the user said."""

    name: str
    """The option that replaces it (*arch*, *mean*, ...)."""
    value: str
    """What is in force."""
    because: str
    """On what it rests (*keys and shapes*, *usual for 1x28x28*)."""


@dataclass(frozen=True)
class Fact:
    """What a model was taken for."""

    name: str
    """What it is about: an option, or *network*, *output*, *left out*, ..."""
    value: str
    """What it was taken for."""
    source: str
    """What said so: the file, its card, the user, ..."""


@dataclass(frozen=True)
class Acceptance:
    """Somebody's decision to use a file in spite of what was found."""

    reason: str
    """Why."""
    until: date
    """The last day on which it holds."""


@dataclass(frozen=True)
class ReadingResult:
    """What one of several readings of a file says."""

    options: str
    """Options of the command that make the file be read so."""
    share: float
    """How likely the reading is, in [0, 1]."""
    verdict: VerdictName | None
    """What its scan says; None where it was not scanned."""
    flagged: tuple[int, ...] = ()
    """The classes that it flags, ascending."""
    all_classes: bool = False
    """Whether it flags an attack on every class."""
    agrees: bool = False
    """Whether it says the same as the file's verdict, which one of the readings gives."""

    def __str__(self) -> str:
        if self.verdict is None:
            return "not scanned"
        if self.verdict != "backdoored":
            return self.verdict
        where = (
            f"target class {', '.join(map(str, self.flagged))}" if self.flagged else "all classes"
        )
        return f"backdoored ({where})"
