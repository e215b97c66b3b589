"""Triggers that are blended into the whole image: what no small core gives away.

Noise or a picture at a tenth of its strength moves every pixel a little, so neither few pixels nor
few waves do its work, and its pattern is as large as an ordinary class's. In L2 it is smaller: the
network was taught that very direction. So the smallest universal perturbation in L2 is searched for
every class. The null is the network itself: the easiest of its other classes.

On images that the network is sure of it is no smaller than others (benchmarks.blends): these are
plain synthetic images. So a class that most of them already are says nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from triggerfish.detectors import Ensemble, Universal
from triggerfish.detectors.universal import measured_sizes
from triggerfish.levels import BLENDS, Level, level_of
from triggerfish.model.classifier import Classifier
from triggerfish.model.folding import folded
from triggerfish.results import Evidence, Hypothesis, Null, Perturbation, Status
from triggerfish.search.batching import rows_that_fit, with_enough_memory
from triggerfish.search.picture_pool import PicturePool, success_rate
from triggerfish.search.pictures import as_many, pictures
from triggerfish.search.universal import UniversalPerturbations, search_universal
from triggerfish.stages.state import Found, State, runs_in_full
from triggerfish.statistics.scores import above_the_others

FEWEST_CLASSES, MOST_CLASSES = 6, 48
"""Of fewer the others are too few to compare with; of more each costs a search."""
GOING = 0.6  # of its steps what a class's search takes on average: for the progress report
SEED = 900_001  # added to the scan's: other images than those of the searches before
IMAGES = 400
NEXT = 0.125
"""Quantile of the other classes that a target has to be smaller than by far: of ten classes the one
after the next. Two or three easy classes side by side are ordinary, and none is a target."""
COMMON = 0.5
"""A class that more of the plain images are is not measured: nothing has to lead there."""


class Blends:
    """The smallest universal perturbation in L2 of every class."""

    def applies(self, state: State) -> bool:
        """By the default rules, where no target was found, and a search was made for classes."""
        scores = state.scores
        return (
            isinstance(state.config.detector, Ensemble)
            and runs_in_full(state)
            and scores is not None
            and bool(scores.perturbations)
            and state.verdict.name != "backdoored"
            and FEWEST_CLASSES <= state.classifier.num_classes <= MOST_CLASSES
        )

    def passes(self, state: State) -> float:
        """Those of the steps."""
        classes, usual = state.classifier.num_classes, Universal()
        planned = isinstance(state.config.detector, Ensemble) and runs_in_full(state)
        if not planned or not FEWEST_CLASSES <= classes <= MOST_CLASSES:
            return 0.0
        return GOING * classes * usual.universal_steps * usual.pictures_per_step

    def __call__(self, state: State) -> Found:
        """A row for every class that is measured."""
        scores = state.scores
        assert scores is not None
        found = with_enough_memory(lambda: _blends(state))
        shown = (blend.shown for blend in found if blend.row.flags)
        scores = replace(scores, perturbations=(*shown, *scores.perturbations))
        return Found(tuple(blend.row for blend in found), scores=scores)


@dataclass(frozen=True)
class Blend:
    """The smallest perturbation in L2 to ``target``; ``size`` in units of a pixel's range.

    ``success_rate`` is measured where it is flagged, else NaN.
    """

    target: int
    score: float
    perturbation: Tensor
    size: float
    median_size: float
    success_rate: float

    @property
    def row(self) -> Evidence:
        """The evidence that it is."""
        level = level_of(BLENDS, "blend", "outliers") or Level(float("nan"))
        return Evidence(
            Hypothesis("blend", self.target), BLENDS, self.score, level.flag_at, level.suspect_at,
            Null("outliers"), note_only=level.note_only,
        )  # fmt: skip

    @property
    def shown(self) -> Perturbation:
        """What a report shows of it."""
        return Perturbation(
            self.target, "l2", self.perturbation, self.size, self.median_size, self.success_rate,
            Status.CONVERGED,
        )  # fmt: skip


def _blends(state: State) -> tuple[Blend, ...]:
    classifier, seed = folded(state.classifier), state.config.seed + SEED
    return search_blends(classifier, plain_images(classifier, seed), seed)


def plain_images(classifier: Classifier, seed: int) -> PicturePool:
    """Synthetic images as they are drawn."""
    count = as_many(IMAGES, classifier.num_pixels)
    return PicturePool.of(classifier, pictures(count, classifier.input_shape, seed))


def search_blends(classifier: Classifier, pool: PicturePool, seed: int) -> tuple[Blend, ...]:
    """One for each class that is reached, and that few of the pool's images are already."""
    count = len(pool.images)
    classes = torch.arange(classifier.num_classes)
    usual = Universal()
    rows = rows_that_fit(classifier, usual.memory_mib, images=count, runs=len(classes))
    search = replace(usual.search, norm="l2")
    found = search_universal(
        classifier, pool, classes, torch.zeros_like(classes).bool(), search, seed, rows,
        telling=True,
    )  # fmt: skip
    size = measured_sizes(found)
    common = torch.bincount(pool.called, minlength=len(classes)).cpu() > COMMON * count
    score = torch.where(common, torch.nan, above_the_others(size, NEXT))
    blends = (
        Blend(
            k, float(score[k]), found.perturbation[k].cpu(), float(size[k]),
            float(size.nanquantile(0.5)), math.nan,
        )
        for k in score.isfinite().nonzero().flatten().tolist()
    )  # fmt: skip
    return tuple(
        replace(one, success_rate=float(_success(classifier, pool, found, one.target)))
        if one.row.flags
        else one
        for one in blends
    )


def _success(
    classifier: Classifier, pool: PicturePool, found: UniversalPerturbations, k: int
) -> Tensor:
    goal = torch.tensor([k], device=pool.called.device)
    return success_rate(classifier, pool, found.perturbation[k : k + 1], goal)
