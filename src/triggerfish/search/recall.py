"""What a scan has found about a classifier, kept for its later stages as long as it lives."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

from torch import Tensor

from triggerfish.model.classifier import Classifier
from triggerfish.search.universal import UniversalPerturbations


@dataclass(frozen=True)
class ClassSearches:
    """The perturbations towards ``classes`` (M,), a row each, over pixels and over cosines."""

    classes: Tensor
    pixel: UniversalPerturbations
    frequency: UniversalPerturbations


@dataclass(frozen=True)
class SureImages:
    """Images (N, C, H, W) both, as they lead by `sure_images.EARLY_LEAD` and by its `LEAD`."""

    early: Tensor
    late: Tensor


@dataclass
class Kept:
    """What is kept of one classifier: None where nothing was found yet, or it was not kept.

    ``images`` are those that the network was last made sure of; a scan that makes none forgets
    those of another scan. ``searches`` are the last ones for its classes.
    """

    images: SureImages | None = None
    searches: ClassSearches | None = None


_kept: WeakKeyDictionary[Classifier, Kept] = WeakKeyDictionary()


def kept_of(classifier: Classifier) -> Kept:
    """What is kept of this very classifier, to read and to write."""
    return _kept.setdefault(classifier, Kept())


def searches_of(classifier: Classifier) -> ClassSearches | None:
    """What the last search for the classes of this very classifier has found, if there was one."""
    return kept_of(classifier).searches
