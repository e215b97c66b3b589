"""The settings of a confirmation test, and its searches: for the suspect, and for other classes.

On several kinds of synthetic images, each by itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Generator, Tensor

from triggerfish.model.classifier import Classifier
from triggerfish.results import BASES, Basis
from triggerfish.search.picture_pool import PicturePool
from triggerfish.search.pictures import as_many, clouds, dead_leaves, pictures
from triggerfish.search.recall import searches_of
from triggerfish.search.universal import UniversalPerturbations, search_universal
from triggerfish.search.universal_settings import Race, UniversalSearch

BEST_START = Race(rungs=(0.45,), survivors=(1.0,), fewest=1)
"""No row stops early, but of the runs from several starts only the best one goes on."""


@dataclass(frozen=True)
class ConfirmConfig:
    """How thorough a confirmation test is; the defaults cost about what the scan costs.

    ``search`` is the search for the class itself, ``control`` that for at most ``others`` other
    classes within its size. Steps draw from ``pictures`` pictures; ``fresh`` others are kept to
    measure success on.
    """

    search: UniversalSearch = field(default_factory=lambda: UniversalSearch(race=BEST_START))
    control: UniversalSearch = field(default_factory=lambda: UniversalSearch(steps=16, race=None))
    others: int = 9
    pictures: int = 300
    fresh: int = 200
    memory_mib: float = 512.0

    def __post_init__(self) -> None:
        if min(self.others, self.pictures, self.fresh) < 1:
            raise ValueError(
                "expected others, pictures and fresh >= 1, "
                f"got {self.others}, {self.pictures} and {self.fresh}"
            )


Shape = tuple[int, int, int]


def _mixture(count: int, shape: Shape, generator: Generator) -> Tensor:
    seed = int(torch.randint(2**31, (1,), generator=generator))
    return pictures(count, shape, seed)


FAMILIES: Mapping[str, Callable[[int, Shape, Generator], Tensor]] = {
    "mixture": _mixture,
    "leaves": dead_leaves,
    "clouds": clouds,
}
"""Pictures (N, C, H, W) by family. A trigger fires on each; a class that likes some texture is
small on the pictures that have it."""


def families_of(classifier: Classifier, config: ConfirmConfig, seed: int) -> PicturePool:
    """The pictures of all `FAMILIES`, each a part of the pool, in their order."""
    pools, count = [], as_many(config.pictures, len(FAMILIES) * classifier.num_pixels)
    for number, make in enumerate(FAMILIES.values(), start=1):
        generator = torch.Generator().manual_seed(seed + number)
        images = make(count, classifier.input_shape, generator)
        pools.append(PicturePool.of(classifier, images))
    return PicturePool.joined(pools)


def search_again(
    classifier: Classifier,
    pool: PicturePool,
    target: int,
    config: ConfirmConfig,
    seed: int,
    rows: int,
    *,
    frequency: bool,
) -> UniversalPerturbations:
    """The smallest perturbations towards ``target`` in one basis, a row for each family."""
    part = torch.arange(len(FAMILIES))
    basis = torch.full_like(part, frequency).bool()
    return search_universal(
        classifier, pool, torch.full_like(part, target), basis, config.search, seed, rows,
        part=part, telling=True,
    )  # fmt: skip


def search_within(
    classifier: Classifier,
    pool: PicturePool,
    classes: Tensor,
    size: float,
    config: ConfirmConfig,
    seed: int,
    rows: int,
    *,
    frequency: bool,
) -> Tensor:
    """Perturbations (M, C, H, W) towards ``classes`` (M,), as good as they get within ``size``.

    On pictures of the first family.
    """
    found = search_universal(
        classifier, pool, classes, torch.full_like(classes, frequency).bool(), config.control,
        seed, rows, part=torch.zeros_like(classes), within=torch.full((len(classes),), size),
    )  # fmt: skip
    return found.perturbation


def likelier_basis(classifier: Classifier, target: int) -> Basis:
    """The basis in which ``target`` is farther below the other classes, as the scan found them."""
    known = searches_of(classifier)
    if known is None or target not in known.classes.tolist():
        return "pixel"
    row, lead = known.classes.tolist().index(target), dict[Basis, float]()
    for basis, found in zip(BASES, (known.pixel, known.frequency), strict=True):
        size = found.size[found.converged]
        reached = bool(found.converged[row])
        lead[basis] = float((size.median() / found.size[row]).log()) if reached else -math.inf
    return "frequency" if lead["frequency"] > lead["pixel"] else "pixel"


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
