"""For source-specific attacks: the smallest perturbation that flips one class into another.

A trigger that only works on one class still works on synthetic images, on those that the network
calls that class. So `universal`'s search is run once per pair of classes, on such pictures alone.
Clean networks have close pairs too, a cat and a dog: how close each pair is on a task is known from
clean networks of that task, and a score is measured from there (`triggerfish.verdict.rules`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from triggerfish.detectors.base import Detector, setting
from triggerfish.detectors.pair_scores import pair_scores
from triggerfish.detectors.universal import measured_sizes
from triggerfish.errors import UnsupportedModelError
from triggerfish.model.classifier import Classifier
from triggerfish.model.folding import folded
from triggerfish.results import ClassScores, Pairs, Perturbation, Status
from triggerfish.search import seeds
from triggerfish.search.batching import rows_that_fit
from triggerfish.search.pair_bounds import linear_sizes, pair_bounds
from triggerfish.search.picture_pool import PicturePool, success_rate
from triggerfish.search.pictures import as_many, pictures
from triggerfish.search.progress import report
from triggerfish.search.recall import ClassSearches, searches_of
from triggerfish.search.universal import UniversalSearch, search_universal
from triggerfish.search.universal_settings import Race
from triggerfish.statistics.outliers import Largest

FEWEST, MOST = 10, 200
"""A class that fewer pictures are predicted as is no source; of more, so many are enough."""
CLASS_PICTURES = 400  # for the search for classes, where the scan has made none
CONTROLS = 4
"""Pairs of median bound that are searched as well: how far their bounds are off tells for all."""
WORKS = 0.5
"""The fraction of new pictures that a perturbation must flip to count, as in every search."""


@dataclass(frozen=True)
class UniversalPairs(Detector):
    """The smallest universal perturbation from every class to every other one, over pixels.

    The score of a pair is ``log(median / size)``, the median over the targets of its source, each
    size the geometric mean of ``runs`` searches on other pictures. The work grows with the square
    of the classes.

    Example:
        >>> import triggerfish as tf
        >>> detector = tf.UniversalPairs(universal_steps=2, pictures=400, runs=1)
        >>> detector(classifier, seed=0).pairs.score.shape
        torch.Size([10, 10])
    """

    name: ClassVar[str] = "universal-pairs"
    summary: ClassVar[str] = (
        "smallest perturbation that flips one class's images into another (ours)"
    )
    outlier_test: ClassVar[Largest] = Largest()
    may_be_unreachable: ClassVar[float] = 0.5

    universal_steps: int = setting(40, "Steps of each search for a universal perturbation")
    pictures_per_step: int = setting(6, "New images per pair and step")
    pictures: int = setting(3000, "Synthetic images per run, to draw each source's from")
    runs: int = setting(1, "Searches per pair, on other images")
    memory_mib: float = setting(512.0, "Memory that a batch may take", "MiB")
    max_classes: int = setting(20, "Number of classes above which a model is refused")

    def __post_init__(self) -> None:
        if min(self.runs, self.pictures) < 1:
            raise ValueError(
                f"expected runs and pictures >= 1, got {self.runs} and {self.pictures}"
            )
        if not self.memory_mib > 0:
            raise ValueError(f"expected a memory budget > 0 MiB, got {self.memory_mib}")
        _ = self.search  # it checks its own numbers

    @property
    def search(self) -> UniversalSearch:
        """The settings of every search: pairs that turn out ordinary stop early."""
        race = Race(
            rungs=(0.35, 0.45, 0.55, 0.7), survivors=(0.5, 0.4, 0.3, 0.2), least=3, middle=2
        )
        return UniversalSearch(self.universal_steps, self.pictures_per_step, race=race)

    def __call__(self, classifier: Classifier, seed: int = 0) -> ClassScores:
        """Scores of all pairs and, for every class, of its most suspicious source.

        ``seed`` decides the pictures. A pair that no search reached is NaN, and so are those of a
        source that hardly any picture is predicted as.
        """
        count = classifier.num_classes
        if count > self.max_classes:
            raise UnsupportedModelError(
                f"expected at most {self.max_classes} classes for {self.name}, got {count}: "
                "the work grows with their square; raise --max-classes, or use universal"
            )
        classifier = folded(classifier)
        runs = [_Run.of(classifier, self, seed, number) for number in range(self.runs)]
        size = torch.stack([run.size for run in runs]).log().nanmean(0).exp()
        score = size.nanquantile(0.5, dim=1, keepdim=True).log() - size.log()
        return pair_scores(
            classifier, "pair_score", Pairs(score, size), "pair_size", runs[0].examples
        )

    def compared(self, scores: ClassScores) -> Tensor:
        """The scores of all pairs (K, K)."""
        return scores.statistic if scores.pairs is None else scores.pairs.score


def pair_perturbation(
    classifier: Classifier,
    config: UniversalPairs,
    source: int,
    target: int,
    scores: ClassScores,
    seed: int = 0,
) -> Perturbation:
    """The perturbation from ``source`` to ``target`` found once more, on pictures of another seed.

    Its success is that on pictures predicted as ``source`` which no search has drawn; ``scores``
    are those of all pairs, for the size of the median target of that source. Unreachable where too
    few pictures are predicted as ``source``, or where the perturbation flips less than `WORKS` of
    the new ones: of few pictures the search draws the same again and again, and may fit only
    those.
    """
    classifier = folded(classifier)
    pool = _pool(classifier, config, seed - 1).predicted_as(source, 2 * MOST)
    drawn, fresh = pool.split(len(pool.predicted) // 2)
    nothing = Perturbation(
        target, "pixel", torch.zeros(classifier.input_shape), math.nan, math.nan, math.nan,
        Status.UNREACHABLE,
    )  # fmt: skip
    if scores.pairs is None or len(drawn.predicted) < config.pictures_per_step:
        return nothing
    goal = torch.tensor([target])
    found = search_universal(
        classifier, drawn, goal, torch.tensor([False]), config.search.thorough, seed,
        rows_that_fit(classifier, config.memory_mib),
    )  # fmt: skip
    on_new = success_rate(classifier, fresh, found.perturbation, goal.to(fresh.predicted.device))
    tried = replace(nothing, delta=found.perturbation[0].cpu(), success_rate=float(on_new))
    size = float(measured_sizes(found))
    if not math.isfinite(size) or not tried.success_rate >= WORKS:
        return tried
    usual = float(scores.pairs.norm[source].nanquantile(0.5))
    return replace(tried, size=size, median_size=usual, status=Status.CONVERGED)


_pools: WeakKeyDictionary[Classifier, dict[tuple[int, int], PicturePool]] = WeakKeyDictionary()


def _pool(classifier: Classifier, config: UniversalPairs, seed: int) -> PicturePool:
    """All pictures of a seed; the last pool is kept, since several pairs may ask for it."""
    count = as_many(config.pictures, classifier.num_pixels)
    if (count, seed) not in _pools.get(classifier, {}):
        images = pictures(count, classifier.input_shape, seed)
        _pools[classifier] = {(count, seed): PicturePool.of(classifier, images)}
    return _pools[classifier][count, seed]


def _pool_of_sources(classifier: Classifier, config: UniversalPairs, seed: int) -> PicturePool:
    """Pictures of every class that is a source, the class as the part that they are.

    A third of them all: whatever is flagged is searched for once more, on all of another seed.
    """
    count = as_many(config.pictures // 3, classifier.num_pixels)
    images = pictures(count, classifier.input_shape, seed)
    pool = PicturePool.of(classifier, images)
    counts = torch.bincount(pool.predicted.cpu(), minlength=classifier.num_classes)
    return pool.by_class(MOST, sources=torch.nonzero(counts >= FEWEST).flatten())


def _class_perturbations(
    classifier: Classifier, config: UniversalPairs, seed: int
) -> ClassSearches:
    """What the scan has found for classes, or what a search over pixels alone finds now."""
    known = searches_of(classifier)
    if known is not None and len(known.classes) == classifier.num_classes:
        return known
    classes = torch.arange(classifier.num_classes)
    count = as_many(CLASS_PICTURES, classifier.num_pixels)
    pool = PicturePool.of(classifier, pictures(count, classifier.input_shape, seed))
    found = search_universal(
        classifier, pool, classes, torch.zeros(len(classes)).bool(),
        UniversalSearch(config.universal_steps), seed,
        rows_that_fit(classifier, config.memory_mib),
    )  # fmt: skip
    return ClassSearches(classes, found, found)


def _worth_searching(bound: Tensor, linear: Tensor, most: int) -> Tensor:
    """Pairs (M, 2), source and target: those with the smallest bounds, and the controls.

    The ``most`` by ``bound`` (K, K) below the median of the source, and half as many by what the
    slope promises (``linear``). The controls are those of median bound, last.
    """
    order = _by_lead(bound)
    start = max(min(most, len(order)), (len(order) - CONTROLS) // 2)
    controls = order[start : start + CONTROLS]
    known = bound.flatten().isfinite()
    steep = [pair for pair in _by_lead(linear).tolist() if known[pair]][: most // 2]
    wanted = dict.fromkeys([*order[:most].tolist(), *steep])
    chosen = [pair for pair in wanted if pair not in set(controls.tolist())]
    pairs = torch.tensor([*chosen, *controls.tolist()], dtype=torch.long)
    return torch.stack([pairs // len(bound), pairs % len(bound)], 1)


def _by_lead(size: Tensor) -> Tensor:
    """Numbers of the measured pairs, by how far they are below the median of their source."""
    lead = size.nanquantile(0.5, dim=1, keepdim=True) - size
    order = lead.flatten().nan_to_num(-torch.inf).argsort(descending=True)
    return order[: int(lead.isfinite().sum())]


@dataclass(frozen=True)
class _Run:
    """One size per pair: ``size`` (K, K) of ``perturbations`` (K, K, C, H, W), and a ``pool``."""

    pool: PicturePool
    size: Tensor
    perturbations: Tensor

    @staticmethod
    def of(classifier: Classifier, config: UniversalPairs, seed: int, number: int) -> _Run:
        """Bounds for all pairs; the smallest and the middle ones of them are searched for."""
        count, seed = classifier.num_classes, seed + seeds.PAIRS * (number + 1)
        pool = _pool_of_sources(classifier, config, seed)
        classes = _class_perturbations(classifier, config, seed)
        size = torch.full((count,), torch.nan, dtype=torch.float64)
        size[classes.classes] = measured_sizes(classes.pixel)
        towards = classes.pixel.perturbation.new_zeros(count, *classifier.input_shape)
        towards[classes.classes.to(towards.device)] = classes.pixel.perturbation
        report((number + 0.3) / config.runs)
        bound = pair_bounds(classifier, pool, towards, size, config.search.budget.wanted)
        report((number + 0.5) / config.runs)
        rows = rows_that_fit(classifier, config.memory_mib)
        pairs = _worth_searching(bound, linear_sizes(classifier, pool, rows), count)
        perturbations = towards.cpu().unsqueeze(0).repeat(count, 1, 1, 1, 1)
        if len(pairs):
            source, target = pairs.T
            usual = bound.nanquantile(0.5, dim=1)[source]
            found = search_universal(
                classifier, pool, target, torch.zeros(len(pairs)).bool(), config.search, seed,
                rows, part=source, usual=usual,
            )  # fmt: skip
            found_log = measured_sizes(found).log()
            off = (found_log - bound[source, target])[-CONTROLS:].nanmedian()
            bound = bound + off.nan_to_num(0.0)
            bound[source, target] = found_log
            perturbations[source, target] = found.perturbation.cpu()
        report((number + 1) / config.runs)
        return _Run(pool, bound.exp(), perturbations)

    def examples(self, sources: Tensor) -> Tensor:
        """Per target an image of its source ``sources`` (K,), perturbed: (K, C, H, W)."""
        return torch.stack([self._example(s, k) for k, s in enumerate(sources.tolist())])

    def _example(self, source: int, target: int) -> Tensor:
        own = self.pool.predicted_as(source, 1).images
        picture = own[0] if len(own) else self.pool.images[0]
        changed: Tensor = (picture + self.perturbations[source, target].to(picture)).clamp(0.0, 1.0)
        return changed
