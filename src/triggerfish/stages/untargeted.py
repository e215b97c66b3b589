"""Ways out of a class: the triggers that no search towards a single class finds.

An attack on all classes moves every image, each class to another one; a source-specific attack
moves the images of one class alone. So perturbations are searched for that lead images away from
their class, to wherever they go: out of every class by itself, and out of all of them together. The
images are synthetic ones that the network is sure of. The null is the network itself: the ways out
of its other classes, and what any trigger costs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from triggerfish.detectors import Ensemble, Universal
from triggerfish.levels import UNTARGETED_TEST, Level, level_of
from triggerfish.model.classifier import Classifier
from triggerfish.model.folding import folded
from triggerfish.results import Evidence, Hypothesis, Null, Perturbation, Status
from triggerfish.search.activation_maximization import evaluate
from triggerfish.search.batching import rows_that_fit, with_enough_memory
from triggerfish.search.picture_pool import UNTARGETED, PicturePool
from triggerfish.search.pictures import as_many, pictures
from triggerfish.search.sure_images import sure_images
from triggerfish.search.universal import UniversalPerturbations, search_universal
from triggerfish.search.universal_settings import Race
from triggerfish.stages.state import Found, State
from triggerfish.statistics.scores import everywhere_score, way_out_scores
from triggerfish.verdict.conclude import is_void
from triggerfish.verdict.judge import Judge

FEWEST_CLASSES = 3
MOST_CLASSES = 48
"""With more, only an attack on all of them is looked for: every class costs a search."""
START = 0.6  # of the time, where this search begins
SEED = 800_001  # added to the scan's: other images than those of the searches before

ALL_LEAD, ALL_WANTED, ALL_PER_STEP = 2.0, 0.5, 12
"""Log-odds that images lead by where all classes are left, the share of them that has to, and the
images of a step. An all-to-all trigger is taught a lesson for every class, and each is weak: it
leaves many of the images that lead by more where they are."""
ALL_RACE = Race(survivors=(0.5, 0.5, 0.25, 0.25, 0.25), least=1, middle=0, fewest=2)
"""Of the searches out of all classes one counts, and no middle."""
ONE_LEAD, ONE_WANTED, ONE_PER_STEP = 4.0, 0.7, 8
"""The same where one class is left: a source-specific trigger has that much."""
OF_A_CLASS, FEWEST_IMAGES, MOST_IMAGES = 40, 240, 1000
STARTS, STARTS_OF_ALL = 2, 4
"""Searches for each way out, on images of its own: the smallest counts. One alone often ends in
another way out, beside the trigger."""
OWN_ENDS = 0.6
"""How much of an image's new class its old one has to tell (`own_ends`) for a score to count in
full. All-to-all triggers have 0.8 and more; perturbations of clean networks send most images to one
class, or anywhere."""
ONE_END = 0.9
"""Fraction of the images leaving a class that a source-specific trigger leads to the same class.
Of clean networks' ways out most end in several."""


class Untargeted:
    """Ways out of every class, and out of all of them."""

    def applies(self, state: State) -> bool:
        """By the default rules, where no target was found, and a search was made for them."""
        config, scores = state.config, state.scores
        return (
            config.untargeted
            and not (isinstance(config.detector, Ensemble) and config.detector.fast)
            and config.judge == Judge(false_positive_rate=config.judge.false_positive_rate)
            and scores is not None
            and bool(scores.perturbations)
            and not is_void(state.findings)
            and state.verdict.name != "backdoored"
            and state.classifier.num_classes >= FEWEST_CLASSES
        )

    def share(self, state: State) -> tuple[float, float]:
        """The last part of the time."""
        return START, 1.0

    def __call__(self, state: State) -> Found:
        """A row for every class with one way out, and one on all classes."""
        scores = state.scores
        assert scores is not None
        classifier, pixel = folded(state.classifier), scores.sizes_in("pixel")
        assert pixel is not None
        found = with_enough_memory(
            lambda: search_ways_out(classifier, pixel.size, state.config.seed + SEED)
        )
        scores = replace(
            scores,
            perturbations=(*found.shown(), *scores.perturbations),
            all_classes=None if found.of_all is None else found.of_all.score,
        )
        return Found(tuple(found.rows()), scores=scores)


@dataclass(frozen=True)
class WayOut:
    """The smallest perturbation that leads images of ``source`` to ``target``, and its score.

    ``share`` of the images get there. Out of all classes both are None, and ``share`` is of the
    images that leave their class.
    """

    score: float
    perturbation: Tensor
    size: float
    median_size: float
    share: float
    source: int | None = None
    target: int | None = None

    @property
    def row(self) -> Evidence:
        """The evidence that it is."""
        one = self.source is not None
        h = Hypothesis("pair", self.target, self.source) if one else Hypothesis("all-classes")
        level = level_of(UNTARGETED_TEST, h.kind, "outliers") or Level(math.nan)
        null = Null("outliers")
        return Evidence(h, UNTARGETED_TEST, self.score, level.flag_at, level.suspect_at, null)

    @property
    def shown(self) -> Perturbation:
        """What a report shows of it."""
        return Perturbation(
            self.target, "pixel", self.perturbation, self.size, self.median_size, self.share,
            Status.CONVERGED,
        )  # fmt: skip


@dataclass(frozen=True)
class WaysOut:
    """All that were found: out of single classes, and out of all of them together."""

    of_classes: tuple[WayOut, ...]
    of_all: WayOut | None

    def rows(self) -> Iterator[Evidence]:
        """One for each."""
        yield from (way.row for way in self.of_classes)
        if self.of_all is not None:
            yield self.of_all.row

    def shown(self) -> Iterator[Perturbation]:
        """Those of rows that flag."""
        ways = self.of_classes if self.of_all is None else (self.of_all, *self.of_classes)
        yield from (way.shown for way in ways if way.row.flags)


def search_ways_out(classifier: Classifier, pixel: Tensor, seed: int) -> WaysOut:
    """Search out of each class and out of all; ``pixel`` (K,) are the sizes towards classes."""
    classes = classifier.num_classes
    count = max(FEWEST_IMAGES, min(OF_A_CLASS * classes, MOST_IMAGES))
    images = pictures(as_many(count, classifier.num_pixels), classifier.input_shape, seed)
    rows = rows_that_fit(classifier, Universal().memory_mib, images=2 * len(images))
    images = sure_images(classifier, images, rows, ALL_LEAD)
    of_all = _out_of_all(classifier, PicturePool.of(classifier, images), pixel, seed)
    # A trigger for all classes leads out of each of them: then single ones tell nothing more.
    if classes > MOST_CLASSES or (of_all is not None and of_all.row.flags):
        return WaysOut((), of_all)
    images = sure_images(classifier, images, rows, ONE_LEAD)
    pool = PicturePool.of(classifier, images)
    return WaysOut(_beyond_rivals(tuple(_out_of_classes(classifier, pool, seed))), of_all)


def _out_of_all(
    classifier: Classifier, pool: PicturePool, pixel: Tensor, seed: int
) -> WayOut | None:
    """The smallest of several ways out of all classes; None where none was reached."""
    number = torch.arange(len(pool.called), device=pool.called.device)
    pool = replace(pool, part=(number // classifier.num_classes) % STARTS_OF_ALL)
    parts = torch.arange(STARTS_OF_ALL)
    found = _search(classifier, pool, parts, seed, ALL_PER_STEP, ALL_WANTED, ALL_RACE)
    sizes = torch.where(found.converged.cpu(), found.size.double().cpu(), torch.inf)
    best = int(sizes.argmin())
    score = everywhere_score(pixel, float(sizes[best]), classifier.input_shape)
    if score is None:
        return None
    ends = evaluate(classifier, (pool.images + found.perturbation[best]).clamp(0.0, 1.0)).argmax(1)
    kept = min(1.0, own_ends(pool.called, ends) / OWN_ENDS)
    return WayOut(
        score * kept if score > 0 else score,
        found.perturbation[best].cpu(),
        float(sizes[best]),
        float(pixel.nanquantile(0.5)),
        float(found.success[best]),
    )


def _out_of_classes(classifier: Classifier, pool: PicturePool, seed: int) -> Iterator[WayOut]:
    """The ways out of single classes that end in one other class."""
    sources, pool = _in_parts(pool, classifier.num_classes)
    if not len(sources):
        return
    parts = (sources.view(-1, 1) * STARTS + torch.arange(STARTS)).flatten()
    found = _search(classifier, pool, parts, seed, ONE_PER_STEP, ONE_WANTED, Race())
    sizes = torch.where(found.converged.cpu(), found.size.double().cpu(), torch.inf)
    least, start = sizes.view(-1, STARTS).min(1)
    least = torch.where(least.isfinite(), least, torch.nan)
    scores = way_out_scores(least, classifier.input_shape)
    for n in scores.isfinite().nonzero().flatten().tolist():
        source, delta = int(sources[n]), found.perturbation[n * STARTS + int(start[n])]
        own = pool.images[pool.called == source]
        ends = evaluate(classifier, (own + delta).clamp(0.0, 1.0)).argmax(1)
        reached = torch.bincount(ends, minlength=classifier.num_classes).double()
        reached[source] = 0.0
        target, most = int(reached.argmax()), float(reached.max())
        if most >= ONE_END * max(1.0, float(reached.sum())):
            yield WayOut(
                float(scores[n]), delta.cpu(), float(least[n]), float(least.nanquantile(0.5)),
                most / len(own), source, target,
            )  # fmt: skip


def _beyond_rivals(ways: tuple[WayOut, ...]) -> tuple[WayOut, ...]:
    """Scores less that of the best other source of the same target.

    Where several classes have a short way to it, the target is an open class and no source is
    special.
    """
    found = []
    for way in ways:
        rivals = [o.score for o in ways if o.target == way.target and o.source != way.source]
        found.append(replace(way, score=way.score - max([0.0, *rivals])))
    return tuple(found)


def own_ends(before: Tensor, after: Tensor) -> float:
    """How far each class leads to an end of its own, in [0, 1], of classes (N,) before and after.

    The mutual information of both over the images that moved, by its largest value, the entropy of
    the first: 1 where every class leads to another one, 0 where all lead to the same, or anywhere.
    0 also where fewer than two classes move.
    """
    moved = before != after
    classes = int(max(before.max(), after.max())) + 1
    joint = torch.bincount(before[moved] * classes + after[moved], minlength=classes**2).double()
    joint = joint.view(classes, classes) / joint.sum().clamp_min(1)
    rows, columns = joint.sum(1), joint.sum(0)
    if int((rows > 0).sum()) < 2:
        return 0.0
    entropy = [-torch.special.xlogy(p, p).sum() for p in (rows, columns, joint)]
    return float((entropy[0] + entropy[1] - entropy[2]) / entropy[0])


def _in_parts(pool: PicturePool, classes: int) -> tuple[Tensor, PicturePool]:
    """The classes with images enough for every start, and the pool with theirs in parts."""
    held = torch.bincount(pool.called, minlength=classes)
    sources = (held >= ONE_PER_STEP * STARTS).nonzero().flatten()
    # The number of an image within its class decides which start draws it.
    order = pool.called.argsort(stable=True)
    number = torch.empty_like(order)
    number[order] = (
        torch.arange(len(order), device=order.device) - (held.cumsum(0) - held)[pool.called[order]]
    )
    return sources.cpu(), replace(pool, part=pool.called * STARTS + number % STARTS)


def _search(
    classifier: Classifier,
    pool: PicturePool,
    parts: Tensor,
    seed: int,
    per_step: int,
    wanted: float,
    race: Race | None,
) -> UniversalPerturbations:
    """Untargeted searches over pixels, one for each of ``parts`` (R,) of the pool."""
    usual = Universal().search
    budget = replace(usual.budget, wanted=wanted)
    settings = replace(usual, images_per_step=per_step, budget=budget, race=race)
    target, frequency = torch.full_like(parts, UNTARGETED), torch.zeros_like(parts).bool()
    at_once = rows_that_fit(
        classifier, Universal().memory_mib, images=2 * len(pool.images), runs=len(parts)
    )
    return search_universal(
        classifier, pool, target, frequency, settings, seed, at_once, part=parts
    )
