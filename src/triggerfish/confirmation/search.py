"""The searches of a confirmation: for the suspect anew, and for other classes within its size."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from triggerfish.confirmation.config import ConfirmConfig
from triggerfish.confirmation.families import FAMILIES
from triggerfish.model.classifier import Classifier
from triggerfish.search.picture_pool import PicturePool
from triggerfish.search.progress import report
from triggerfish.search.universal import UniversalChanges, search_universal

_NO_GAIN = 1e-9  # the budget stays where it starts
_AMPLE = 1e3  # a largest budget that is never met


def search_again(
    classifier: Classifier, target: int, config: ConfirmConfig, seed: int, rows: int
) -> tuple[UniversalChanges, ...]:
    """The smallest perturbations to ``target``, family by family; row 0 is in the pixel basis."""
    goal, frequency = torch.tensor([target, target]), torch.tensor([False, True])
    found = []
    for number, family in enumerate(FAMILIES, start=1):
        pool = _pool(classifier, family, config.pictures, seed + number)
        found.append(
            search_universal(classifier, pool, goal, frequency, config.search, seed + number, rows)
        )
        report(0.6 * number / len(FAMILIES))
    return tuple(found)


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
    """Changes (M, C, H, W) towards ``classes`` (M,), as good as they get within ``size``."""
    pixels = classifier.num_pixels
    fixed = replace(
        config.control,
        gain=_NO_GAIN,
        pixel_start=size / pixels,
        frequency_starts=(size / pixels**0.5,),
        wave_starts=(),
        pixel_largest=_AMPLE,
        frequency_largest=_AMPLE,
    )
    pool = _pool(classifier, "mixture", config.pictures, seed)
    basis = torch.full((len(classes),), frequency)
    return search_universal(classifier, pool, classes, basis, fixed, seed, rows).change


def _pool(classifier: Classifier, family: str, count: int, seed: int) -> PicturePool:
    generator = torch.Generator().manual_seed(seed)
    images = FAMILIES[family](count, classifier.input_shape, generator)
    return PicturePool.of(classifier, images)
