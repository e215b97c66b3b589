"""A search on images that the network is sure of: the network itself is the null.

Where no clean networks of the task are known, this search decides about classes, and about all of
them together. Where some are, it is a confirmation test: being unusual among them is no trigger
yet, and a flag stands only where the class is small on such images too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from triggerfish.detectors import Universal
from triggerfish.detectors.universal import measured_sizes
from triggerfish.levels import SURE, Level, level_of, sure_test
from triggerfish.model.classifier import Classifier
from triggerfish.results import ClassScores, Evidence, Hypothesis, Null, NullKind
from triggerfish.search.batching import rows_that_fit, with_enough_memory
from triggerfish.search.picture_pool import UNTARGETED, PicturePool
from triggerfish.search.pictures import pictures
from triggerfish.search.sure_images import sure_images
from triggerfish.search.universal import search_universal
from triggerfish.stages.state import Found, State
from triggerfish.statistics.scores import everywhere_score, sure_score
from triggerfish.verdict.conclude import is_void
from triggerfish.verdict.judge import Judge

IMAGES = 240
MOST_CLASSES = 48
"""With more, the most suspicious half of so many is searched, and others spread over the rest."""
FEWEST_CLASSES = 3
"""Of two, clean classes are as small as targets, on images of any kind (docs/limits.md)."""
START = 0.5  # of the time, where the search begins
OWN_SEED = 700_001  # added to the scan's seed: other images than those of the first search


class SureImages:
    """Every class once more, on images that lead for each class in turn."""

    def applies(self, state: State) -> bool:
        """By the default rules, where no task is known or something is in question."""
        judge, scores = state.config.judge, state.scores
        if judge != Judge(false_positive_rate=judge.false_positive_rate):
            return False
        if scores is None or not scores.perturbations or is_void(state.findings):
            return False
        if state.classifier.num_classes < FEWEST_CLASSES:
            return False
        return not _has_population(state) or bool(_in_question(state))

    def share(self, state: State) -> tuple[float, float]:
        """Half of the time."""
        return START, 1.0

    def __call__(self, state: State) -> Found:
        """A row per class that was searched and one on all classes; tests of what is flagged."""
        scores = state.scores
        assert scores is not None
        classes = classes_to_search(scores)
        found = with_enough_memory(
            lambda: search_sure(state.classifier, classes, state.config.seed + OWN_SEED)
        )
        return Found((*found.rows(), *found.tests(_in_question(state))))


@dataclass(frozen=True)
class SureScores:
    """The ``score`` (M,) of each of the ``classes`` (M,), NaN where neither basis reaches it.

    ``everywhere`` is the score of an attack on all of them, None where it was not reached.
    """

    classes: tuple[int, ...]
    score: Tensor
    everywhere: float | None

    def rows(self) -> list[Evidence]:
        """Against the network's other classes and what triggers cost: one row a hypothesis."""
        found = [
            _row(Hypothesis("target", k), value, "outliers", sure_test(len(self.classes)))
            for k, value in zip(self.classes, self.score.tolist(), strict=True)
        ]
        if self.everywhere is not None:
            found.append(_row(Hypothesis("all-classes"), self.everywhere, "outliers"))
        return found

    def tests(self, hypotheses: tuple[Hypothesis, ...]) -> list[Evidence]:
        """Whether what other rows flag is small on these images too."""
        by_class = dict(zip(self.classes, self.score.tolist(), strict=True))
        values = {
            h: self.everywhere if h.kind == "all-classes" else by_class.get(h.target or 0)
            for h in hypotheses
        }
        return [
            _row(h, value, "same-size")
            for h, value in values.items()
            if value is not None and not math.isnan(value)
        ]


def search_sure(classifier: Classifier, classes: tuple[int, ...], seed: int) -> SureScores:
    """Search for ``classes`` in both bases, and for any way out, on images that are led first."""
    search, rows = Universal().search, rows_that_fit(classifier, Universal().memory_mib)
    images = sure_images(classifier, pictures(IMAGES, classifier.input_shape, seed))
    pool = PicturePool.of(classifier, images)
    targets = torch.tensor(classes).repeat(2)
    frequency = torch.arange(len(targets)) >= len(classes)
    found = search_universal(classifier, pool, targets, frequency, search, seed, rows)
    many = replace(search, images_per_step=Universal().untargeted_pictures)
    away = search_universal(
        classifier, pool, torch.tensor([UNTARGETED]), torch.tensor([False]), many, seed, rows
    )
    sizes = measured_sizes(found)
    pixel, waves = sizes[: len(classes)], sizes[len(classes) :]
    return SureScores(
        classes,
        sure_score(pixel, waves, classifier.input_shape),
        everywhere_score(pixel, float(measured_sizes(away)), classifier.input_shape),
    )


def classes_to_search(scores: ClassScores) -> tuple[int, ...]:
    """All classes; of very many the most suspicious, and some of the others at even distances."""
    count = len(scores.statistic)
    if count <= MOST_CLASSES:
        return tuple(range(count))
    order = scores.statistic.nan_to_num(-torch.inf).argsort(descending=True).tolist()
    first, rest = order[: MOST_CLASSES // 2], sorted(order[MOST_CLASSES // 2 :])
    return tuple(sorted({*first, *rest[:: -(-len(rest) // (MOST_CLASSES // 2))]}))


def _has_population(state: State) -> bool:
    """Whether the scan's scores were compared with clean networks of the recipe or the task."""
    return any(row.null.kind in ("same-recipe", "same-task") for row in state.evidence)


def _in_question(state: State) -> tuple[Hypothesis, ...]:
    """What rows so far flag or suspect."""
    flagged = (r.hypothesis for r in state.evidence if r.is_suspicious and not r.note_only)
    return tuple(dict.fromkeys(h for h in flagged if h.kind in ("target", "all-classes")))


def _row(h: Hypothesis, score: float, null: NullKind, test: str = SURE) -> Evidence:
    level = level_of(test, h.kind, null) or Level(math.nan)
    return Evidence(
        h, SURE, score, level.flag_at, level.suspect_at, Null(null), note_only=level.note_only
    )
