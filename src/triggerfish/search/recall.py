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


_images: WeakKeyDictionary[Classifier, SureImages] = WeakKeyDictionary()
_searches: WeakKeyDictionary[Classifier, ClassSearches] = WeakKeyDictionary()


def keep_searches(classifier: Classifier, found: ClassSearches) -> None:
    """Keep what the search for classes has found."""
    _searches[classifier] = found


def searches_of(classifier: Classifier) -> ClassSearches | None:
    """What the last search for the classes of this very classifier has found, if there was one."""
    return _searches.get(classifier)


def keep_images(classifier: Classifier, images: SureImages | None) -> None:
    """Keep images that the network was made sure of; None forgets those of another scan."""
    if images is None:
        _images.pop(classifier, None)
    else:
        _images[classifier] = images


def images_of(classifier: Classifier) -> SureImages | None:
    """The images that this very classifier was last made sure of, if they were kept."""
    return _images.get(classifier)
