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


_searches: WeakKeyDictionary[Classifier, ClassSearches] = WeakKeyDictionary()


def keep_searches(classifier: Classifier, found: ClassSearches) -> None:
    """Keep what the search for classes has found."""
    _searches[classifier] = found


def searches_of(classifier: Classifier) -> ClassSearches | None:
    """What the last search for the classes of this very classifier has found, if there was one."""
    return _searches.get(classifier)
