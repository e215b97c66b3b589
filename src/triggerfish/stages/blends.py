"""Triggers that are blended into the whole image: what no small core gives away.

Noise or a picture at a tenth of its strength moves every pixel a little, so neither few pixels nor
few waves do its work. Such a target is unusual among clean networks of its task, but on images that
the network is sure of it is no smaller than other classes, and the search there refutes it. In L2,
on plain images, it is smaller: the network was taught that very direction. So where a class is in
question, the smallest universal perturbation in L2 is searched for every class, and the suspect is
compared with the easiest of the others. It is a test of suspects: by itself clean networks have
scores as high (benchmarks.blends).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from triggerfish.detectors import Ensemble, Universal
from triggerfish.detectors.universal import GOING, measured_sizes
from triggerfish.levels import BLENDS, Level, level_of
from triggerfish.model.classifier import Classifier
from triggerfish.model.folding import folded
from triggerfish.results import Evidence, Hypothesis, Null, Perturbation, Status
from triggerfish.search import seeds
from triggerfish.search.batching import rows_that_fit, with_enough_memory
from triggerfish.search.picture_pool import PicturePool
from triggerfish.search.pictures import as_many, pictures
from triggerfish.search.universal import search_universal
from triggerfish.stages.state import Found, Stage, State, runs_in_full
from triggerfish.statistics.scores import above_the_others

FEWEST_CLASSES, MOST_CLASSES = 6, 48
"""Of fewer the others are too few to compare with; of more each costs a search."""
IMAGES = 400
NEXT = 0.125
"""Quantile of the other classes that a target has to be smaller than by far: of ten classes the one
after the next. Two or three easy classes side by side are ordinary, and none is a target."""
COMMON = 0.5
"""A class that more of the plain images are is not measured: nothing has to lead there."""


class Blends(Stage):
    """The smallest universal perturbation in L2 of every class, as a test of those in question."""

    def applies(self, state: State) -> bool:
        """By the default rules, where a class is unusual for its task, and no target was found."""
        return (
            isinstance(state.config.detector, Ensemble)
            and runs_in_full(state)
            and state.verdict.name != "backdoored"
            and FEWEST_CLASSES <= state.classifier.num_classes <= MOST_CLASSES
            and bool(state.in_question("same-task"))
        )

    def passes(self, state: State) -> float:
        """Those of the steps."""
        classes, usual = state.classifier.num_classes, Universal()
        if not self.applies(state):  # mostly nothing is in question
            return 0.0
        return GOING * classes * usual.universal_steps * usual.pictures_per_step

    def __call__(self, state: State) -> Found:
        """A row for every class in question that is measured."""
        suspects, scores = state.in_question("same-task"), state.scores
        assert scores is not None
        classifier, seed = folded(state.classifier), state.config.seed + seeds.BLENDS
        every = with_enough_memory(
            lambda: search_blends(classifier, plain_images(classifier, seed), seed)
        )
        found = [blend for blend in every if blend.target in suspects]
        rows = tuple(blend.row(suspects[blend.target]) for blend in found)
        shown = [blend.shown for blend, row in zip(found, rows, strict=True) if row.flags]
        scores = replace(scores, perturbations=(*shown, *scores.perturbations))
        return Found(rows, scores=scores)


@dataclass(frozen=True)
class Blend:
    """The smallest perturbation in L2 to ``target``; ``size`` in units of a pixel's range.

    ``success_rate`` is on the images of the last steps, which no step before had drawn.
    """

    target: int
    score: float
    perturbation: Tensor
    size: float
    median_size: float
    success_rate: float

    def row(self, null: Null) -> Evidence:
        """The evidence that it is, for a class that is suspicious by a ``null``."""
        level = level_of(BLENDS, "blend", null.kind) or Level(float("nan"))
        return Evidence(
            Hypothesis("blend", self.target), BLENDS, self.score, level.flag_at, level.suspect_at,
            null, note_only=level.note_only,
        )  # fmt: skip

    @property
    def shown(self) -> Perturbation:
        """What a report shows of it."""
        return Perturbation(
            self.target, "l2", self.perturbation, self.size, self.median_size, self.success_rate,
            Status.CONVERGED,
        )  # fmt: skip


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
    common = torch.bincount(pool.predicted, minlength=len(classes)).cpu() > COMMON * count
    score = torch.where(common, torch.nan, above_the_others(size, NEXT))
    return tuple(
        Blend(
            k, float(score[k]), found.perturbation[k].cpu(), float(size[k]),
            float(size.nanquantile(0.5)), float(found.success[k]),
        )
        for k in score.isfinite().nonzero().flatten().tolist()
    )  # fmt: skip
