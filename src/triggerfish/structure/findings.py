"""What an analysis of a program's structure returns: frozen data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from triggerfish.results import Stamp

Kind = Literal["branch", "bypass", "gated"]


@dataclass(frozen=True)
class StructureFinding:
    """Nodes that look past the learned network at the image, and what they do, in one sentence.

    ``nodes`` are named as in the file, the last one is where the ``gate`` enters the answer.
    ``target`` is the class that the program answers when the gate is set by hand, None where that
    is not one class. ``proof`` is a trigger that was computed from it and makes the whole program
    flip, None where there is none; its ``control`` is the fraction with the branch held shut.
    """

    kind: Kind
    text: str
    nodes: tuple[str, ...]
    gate: str
    merge: str
    target: int | None = None
    proof: Stamp | None = None


@dataclass(frozen=True)
class Structure:
    """All that was read of a program: ``findings`` and what could not be looked at.

    ``unrun`` are operators that cannot be run here, on the way from the image to the answer;
    ``seconds`` is what the analysis took; ``runs_on`` the shape (C, H, W) of images that the whole
    program was seen to answer, None where it was not tried.
    """

    format: str
    nodes: int
    findings: tuple[StructureFinding, ...]
    unrun: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    seconds: float = 0.0
    runs_on: tuple[int, int, int] | None = None

    @property
    def targets(self) -> tuple[int, ...]:
        """The classes of findings with a proof."""
        return tuple(sorted({f.proof.target for f in self.findings if f.proof}))
