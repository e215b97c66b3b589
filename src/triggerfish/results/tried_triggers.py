"""What was tried on a trigger that was found: confirmation tests, stamps, a user's own pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from torch import Tensor

from triggerfish.codec.marks import NOT_STORED
from triggerfish.results.class_scores import Basis, Perturbation

Grade = Literal["confirmed", "unclear", "refuted"]


@dataclass(frozen=True)
class Stamp:
    """A trigger that replaces pixels: computed from a file's program, or one of a dictionary."""

    target: int
    """The class that it leads to."""
    origin: Literal["program", "dictionary"]
    """Whether it was computed from a program's branch, or is one of a dictionary."""
    image: Tensor
    """(C, H, W) in [0, 1], seen through ``mask``."""
    mask: Tensor
    """(C, H, W): 1 where the image shows, else 0."""
    success_rate: float
    """Of ``count`` synthetic images of other classes, the fraction in [0, 1] that goes to the
    target with it."""
    control: float
    """The same fraction when the branch that looks for it is held shut, or with its negative or
    itself beside its place."""
    count: int
    """How many images it was tried on."""
    pictures: Tensor
    """(P, C, H, W) in [0, 1], some of these images."""
    stamped: Tensor
    """(P, C, H, W) the same with it."""
    before: tuple[int, ...]
    """(P,) predicted classes of the pictures without it."""
    after: tuple[int, ...]
    """(P,) their predicted classes with it."""
    fitted: bool = False
    """Whether it has to be fitted to each image; then ``image`` is one image's."""


@dataclass(frozen=True)
class Trial:
    """A perturbation that was found, tried on pictures of the user's own."""

    target: int | None
    """The class that it leads to; None is *to any other*."""
    basis: Basis
    """That of the perturbation."""
    count: int
    """How many pictures the network did not call the target without it."""
    success_rate: float
    """The fraction in [0, 1] of them that it flipped."""
    pictures: Tensor
    """(P, C, H, W) in [0, 1], some of them."""
    before: tuple[int, ...]
    """(P,) predicted classes of those without it."""
    after: tuple[int, ...]
    """(P,) their predicted classes with it."""


@dataclass(frozen=True)
class BasisEvidence:
    """What a confirmation test found in one basis, on held-out synthetic images."""

    basis: Basis
    """The basis."""
    size: float
    """That of the perturbations found again on each family of pictures, the median one, in
    the units of a perturbation's size; NaN where most searches did not get there, and then nothing
    else counts."""
    success_rate: float
    """The fraction in [0, 1] of images that the median perturbation flips."""
    half: float
    """The fraction with half of it."""
    shifted: float
    """The fraction with it elsewhere, the mean of several places."""
    without_largest: float
    """The fraction without its largest pixel."""
    agreement: float
    """How alike the perturbations of two families are, the best pair, in [0, 1]: the cosine of
    their blurred absolute values, over places in the pixel basis, over frequencies in the other."""
    controls: tuple[float, ...]
    """The success rates of the best perturbations of the same size towards other classes."""

    @property
    def control(self) -> float:
        """The second best of the ``controls``: one other class may be near all by itself.

        The best of fewer than two, 0 of none.
        """
        ordered = sorted(self.controls, reverse=True)
        return ordered[min(1, len(ordered) - 1)] if ordered else 0.0

    @property
    def lead(self) -> float:
        """By how much the perturbation outdoes the ``control``; 0 where it does not."""
        return max(0.0, self.success_rate - self.control)


@dataclass(frozen=True)
class Confirmation:
    """A confirmation test of one class."""

    target: int
    """The class."""
    grade: Grade
    """The ``lead`` in a word."""
    lead: float
    """By how much its perturbation outdoes other classes' of the same size, in the basis where it
    does so most; in [0, 1]."""
    evidence: tuple[BasisEvidence, ...]
    """What was found, one entry a basis."""
    perturbations: Annotated[tuple[Perturbation, ...], NOT_STORED]
    """All that were found."""
    seconds: float
    """What the test took."""
