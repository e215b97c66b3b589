"""The searches of a confirmation: for the suspect anew, and for other classes within its size."""

from __future__ import annotations

import torch
from torch import Tensor

from triggerfish.confirmation.config import ConfirmConfig
from triggerfish.confirmation.families import FAMILIES
from triggerfish.model.classifier import Classifier
from triggerfish.search.picture_pool import PicturePool
from triggerfish.search.progress import share_of_work
from triggerfish.search.recall import searches_of
from triggerfish.search.universal import UniversalPerturbations, search_universal


def search_again(
    classifier: Classifier, target: int, config: ConfirmConfig, seed: int, rows: int
) -> tuple[UniversalPerturbations, ...]:
    """The smallest perturbations towards ``target``, by family; row 0 is in the pixel basis.

    All families go through the network together.
    """
    pools = [
        _pool(classifier, family, config.pictures, seed + number)
        for number, family in enumerate(FAMILIES, start=1)
    ]
    frequency = torch.tensor([False, True]).repeat(len(pools))
    part = torch.arange(len(pools)).repeat_interleave(2)
    with share_of_work(0.0, 0.6):
        found = search_universal(
            classifier, PicturePool.joined(pools), torch.full_like(part, target), frequency,
            config.search, seed, rows, part=part, telling=True,
        )  # fmt: skip
    return tuple(found.rows(part == number) for number in range(len(pools)))


def search_within(
    classifier: Classifier,
    classes: Tensor,
    size: float,
    config: ConfirmConfig,
    seed: int,
    rows: int,
    *,
    frequency: bool,
) -> Tensor:
    """Perturbations (M, C, H, W) towards ``classes`` (M,), as good as they get within ``size``."""
    pool = _pool(classifier, "mixture", config.pictures, seed)
    basis, within = torch.full((len(classes),), frequency), torch.full((len(classes),), size)
    found = search_universal(
        classifier, pool, classes, basis, config.control, seed, rows, within=within
    )
    return found.perturbation


def nearest(classifier: Classifier, classes: Tensor, most: int, *, frequency: bool) -> Tensor:
    """Of other ``classes`` (M,) the ``most`` that the scan has reached within the smallest sizes.

    What a lead is measured from is the second best of them. All where nothing is known of one.
    """
    known = searches_of(classifier)
    if known is None or not bool(torch.isin(classes, known.classes).all()):
        return classes
    found = known.frequency if frequency else known.pixel
    size = torch.where(found.converged, found.size, torch.inf).cpu()
    row = torch.searchsorted(known.classes, classes)
    return classes[size[row].argsort(stable=True)[:most]].sort().values


def _pool(classifier: Classifier, family: str, count: int, seed: int) -> PicturePool:
    generator = torch.Generator().manual_seed(seed)
    images = FAMILIES[family](count, classifier.input_shape, generator)
    return PicturePool.of(classifier, images)
