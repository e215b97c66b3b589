"""What an analysis of a program's structure returns: frozen data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

Kind = Literal["branch", "bypass", "gated"]


@dataclass(frozen=True)
class Proof:
    """A trigger computed from a finding, and what the whole program did when it was stamped.

    ``stamp`` (C, H, W) in [0, 1] replaces the image where ``mask`` (1, H, W) is true; where the
    trigger has to be fitted to each image (``fitted``), they are one image's. Of ``count``
    synthetic images that the program did not give to ``target``, the fraction ``flips`` went there
    with the trigger; ``without_branch`` is that fraction with the branch cut off. ``pictures``
    (P, C, H, W) are some of them, ``stamped`` the same with it, ``before`` and ``after`` (P,) the
    classes that the program gives them.
    """

    target: int
    stamp: Tensor
    mask: Tensor
    flips: float
    without_branch: float
    count: int
    pictures: Tensor
    stamped: Tensor
    before: tuple[int, ...]
    after: tuple[int, ...]
    fitted: bool = False


@dataclass(frozen=True)
class StructureFinding:
    """Nodes that look past the learned network at the image, and what they do, in one sentence.

    ``nodes`` are named as in the file, the last one is where the ``gate`` enters the answer.
    ``target`` is the class that the program answers when the gate is set by hand, None where that
    is not one class. ``proof`` is None where no trigger was found.
    """

    kind: Kind
    text: str
    nodes: tuple[str, ...]
    gate: str
    merge: str
    target: int | None = None
    proof: Proof | None = None


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
