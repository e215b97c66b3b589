"""What detectors return: a statistic per class, and the perturbations that it was made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Annotated, Literal

from torch import Tensor

from triggerfish.codec.marks import NOT_STORED

Basis = Literal["pixel", "frequency", "stamp", "l2"]
BASES: tuple[Basis, Basis] = ("pixel", "frequency")
"""In the order in which searches and evidence have them."""


class Status(str, Enum):
    """How the search for one class ended. Only `CONVERGED` is a measurement.

    `SCREENED` classes were left out by the first pass over very many classes.
    """

    CONVERGED = "converged"
    CAP_REACHED = "cap_reached"
    UNREACHABLE = "unreachable"
    SCREENED = "screened"


@dataclass(frozen=True)
class Perturbation:
    """A universal perturbation: one that is added to any image and flips it into a class."""

    target: int | None
    """The class; None is *away from the predicted class*."""
    basis: Basis
    """In what it is small: few pixels, few cosines, or faint all over the image (*l2*); *stamp* for
    one that replaces pixels."""
    delta: Tensor
    """(C, H, W) in [-1, 1]: it is added, and the sum clamped to [0, 1]."""
    size: float
    """L1 norm of its coefficients in the basis, in units of a pixel's whole range; for *l2* the L2
    norm of its values; NaN unless the search converged."""
    median_size: float
    """The size of the median class, in the same units; NaN unless the search converged."""
    success_rate: float
    """The fraction in [0, 1] of images never drawn in the search that it flips."""
    status: Status
    """How its search ended."""
    predicted_classes: tuple[int, ...] = ()
    """(P,) predicted classes of the ``pictures`` of the scores with it."""


@dataclass(frozen=True)
class Pairs:
    """Evidence on class pairs: row the source, column the target; NaN where not measured."""

    score: Tensor
    """(K, K) float64, higher is more suspicious."""
    norm: Tensor
    """(K, K) the smallest perturbation from the one to the other, in units of a pixel's whole
    range."""

    def strongest(self, targets: Sequence[int]) -> tuple[tuple[int, int], ...]:
        """For each target its most suspicious source: pairs (source, target)."""
        score = self.score.nan_to_num(float("-inf"))
        return tuple((int(score[:, target].argmax()), target) for target in targets)


@dataclass(frozen=True)
class ClassSizes:
    """The smallest universal perturbation of every class in one basis; NaN where not measured."""

    basis: Basis
    """In what the perturbations are sparse."""
    size: Tensor
    """(K,) as a perturbation's size: L1 norms in units of a pixel's whole range."""
    log_ratio: Tensor | None = None
    """(K,) log(size of the median class / size), where that was compared."""
    success_rate: Tensor | None = None
    """(K,) the fraction in [0, 1] of the images drawn last that each flips, where it is known."""


@dataclass(frozen=True)
class BaselineNorms:
    """The smallest change of one plain image that makes it each class; NaN where not measured."""

    baseline: str
    """The image: a grey level in [0, 1], or a file."""
    norm: Tensor
    """(K,) L1 norms in units of a pixel's whole range; infinite where the class is out of reach."""
    log_ratio: Tensor | None = None
    """(K,) log(norm of the median class / norm), where that was compared."""


@dataclass(frozen=True)
class ClassScores:
    """One detector's answer: one statistic for each of K classes, with its evidence.

    M of the classes, ``shown``, have an image.
    """

    name: str
    """The statistic's name."""
    statistic: Tensor
    """(K,) float64, higher is more suspicious; NaN where the class's search did not converge."""
    status: tuple[Status, ...]
    """(K,) how each class's search ended."""
    images: Annotated[Tensor, NOT_STORED]  # as a picture for each class, beside the result
    """(M, C, H, W) in [0, 1], in the order of ``shown``."""
    probability: Tensor
    """(K,) of the class for its image, in [0, 1]; NaN for classes without one."""
    logits: Annotated[Tensor, NOT_STORED]
    """(M, K) of the images, evaluated anew."""
    sizes: tuple[ClassSizes, ...] = ()
    """What a search for universal perturbations has measured, one entry a basis."""
    norms: tuple[BaselineNorms, ...] = ()
    """What a search from plain images has measured, one entry an image."""
    shown_baseline: Tensor | None = None
    """(K,) index into ``norms`` of the plain image that each of ``images`` was made from."""
    margin: Tensor | None = None
    """(K,) the largest lead over all other classes that each can be driven to, in logits."""
    details: Mapping[str, Tensor] = field(default_factory=dict)
    """Further vectors (K,) for the per-class table, by name; no code reads one by its name."""
    shown: tuple[int, ...] | None = None
    """The M classes that have an image; all when None."""
    pairs: Pairs | None = None
    """What a detector of class pairs has measured."""
    restarts: Tensor | None = None
    """(R, K) the statistic that each of several runs of the search gives by itself."""
    perturbations: tuple[Perturbation, ...] = ()
    """Universal perturbations that were found."""
    pictures: Tensor | None = None
    """(P, C, H, W) in [0, 1], to show perturbations on."""
    all_classes: float | None = None
    """The score of an attack on every class at once; None where it was not looked for."""
    parts: tuple[ClassScores, ...] = ()
    """The scores that these were made from, in the order in which their detectors ran."""
    predicted_classes: tuple[int, ...] = ()
    """(P,) predicted classes of the ``pictures`` as they are."""

    @property
    def classes(self) -> tuple[int, ...]:
        """The classes that have an image, in the order of ``images``."""
        return tuple(range(len(self.status))) if self.shown is None else self.shown

    def sizes_in(self, basis: Basis) -> ClassSizes | None:
        """The sizes in one basis; None where it was not searched."""
        return next((sizes for sizes in self.sizes if sizes.basis == basis), None)
