"""Ways out of a class: the triggers that no search towards a single class finds.

An attack on all classes moves every image, each class to another one; a source-specific attack
moves the images of one class alone. So perturbations are searched for that lead images away from
their class, to wherever they go: out of every class by itself, and out of all of them together. The
images are synthetic ones that the network is sure of. The null is the network itself: the ways out
of its other classes, and what any trigger costs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from triggerfish.detectors import Universal
from triggerfish.levels import UNTARGETED_TEST, Level, level_of
from triggerfish.model.classifier import Classifier
from triggerfish.model.folding import folded
from triggerfish.results import Evidence, Hypothesis, HypothesisKind, Null, Perturbation, Status
from triggerfish.search import seeds
from triggerfish.search.activation_maximization import evaluate
from triggerfish.search.batching import rows_that_fit, with_enough_memory
from triggerfish.search.picture_pool import UNTARGETED, PicturePool
from triggerfish.search.pictures import as_many, pictures
from triggerfish.search.progress import report, share_of_work
from triggerfish.search.race import MayCount
from triggerfish.search.recall import kept_of
from triggerfish.search.sure_images import EARLY_LEAD, LEAD, images_by_lead
from triggerfish.search.universal import UniversalPerturbations, search_universal
from triggerfish.search.universal_settings import Race
from triggerfish.stages.state import Found, Stage, State, runs_in_full, universal_of
from triggerfish.statistics.scores import everywhere_score, way_out_scores

FEWEST_CLASSES = 3
MOST_CLASSES = 48
"""With more, only an attack on all of them is looked for: every class costs a search."""
GOING, LED = 0.4, 6
"""For the progress report: of its steps what a search takes on average, and the steps of an image
that is led."""

ALL_WANTED, ALL_PER_STEP = 0.5, 12
"""The share of images that has to leave where all classes are left, and the images of a step. They
lead by `EARLY_LEAD`: an all-to-all trigger is taught a lesson for every class, and each is weak, so
it leaves many of the images that lead by more where they are."""
ALL_RACE = Race(survivors=(0.5, 0.5, 0.25, 0.25, 0.25), least=1, middle=0, fewest=2)
"""Of the searches out of all classes one counts, and no middle."""
ONE_WANTED, ONE_PER_STEP = 0.7, 8
"""The same where one class is left, of images that lead by `LEAD`: a source-specific trigger has
that much."""
OF_A_CLASS, FEWEST_IMAGES, MOST_IMAGES = 40, 240, 1000
STARTS, STARTS_OF_ALL = 2, 4
"""Searches for each way out, on images of its own: the smallest counts. One alone often ends in
another way out, beside the trigger."""
OWN_ENDS = 0.6
"""How much of an image's new class its old one has to tell (`own_ends`) for a score to count in
full. All-to-all triggers have 0.8 and more; perturbations of clean networks send most images to one
class, or anywhere."""
RISES: dict[HypothesisKind, tuple[float, ...]] = {
    "all-classes": (math.inf, 0.9, 0.7, 0.5, 0.35),
    "pair": (math.inf, math.inf, 1.25, 0.75, 0.35),
}
"""How far a score may still rise after each rung of a race, while its perturbation takes shape. Of
attacked networks that were tried, none that ended above the suspicious level rose by more than two
thirds of it (benchmarks/ways_out.py); a trigger that works all or nothing is found later."""
LEADING, OUT_OF_ALL = 0.25, 0.5
"""For the progress report: where the search out of all classes begins, and where it ends."""
ONE_END = 0.9
"""Fraction of the images leaving a class that a source-specific trigger leads to the same class.
Of clean networks' ways out most end in several."""


class Untargeted(Stage):
    """Ways out of every class, and out of all of them."""

    def applies(self, state: State) -> bool:
        """By the default rules, where no target was found, and a search was made for them.

        And where clean networks of the task or the recipe are known: on other tasks six of 59 clean
        networks were accused, and one of 13 attacks was found (docs/detection-quality.md).
        """
        scores = state.scores
        return (
            state.config.untargeted
            and runs_in_full(state)
            and state.known.has_population(state.config.detector)
            and scores is not None
            and bool(scores.perturbations)
            and state.verdict.name != "backdoored"
            and state.classifier.num_classes >= FEWEST_CLASSES
        )

    def passes(self, state: State) -> float:
        """Those of images that are led, and of steps."""
        classes, search = state.classifier.num_classes, universal_of(state.config.detector)
        planned = state.config.untargeted and runs_in_full(state) and search is not None
        known = state.known.has_population(state.config.detector)
        if not planned or not known or classes < FEWEST_CLASSES:
            return 0.0
        images = STARTS_OF_ALL * ALL_PER_STEP
        if classes <= MOST_CLASSES:
            images += classes * STARTS * ONE_PER_STEP
        return _images_wanted(state.classifier) * LED + GOING * Universal().universal_steps * images

    def __call__(self, state: State) -> Found:
        """A row for every class with one way out, and one on all classes."""
        scores = state.scores
        assert scores is not None
        classifier, pixel = folded(state.classifier), scores.sizes_in("pixel")
        assert pixel is not None
        ways = with_enough_memory(
            lambda: search_ways_out(classifier, pixel.size, state.config.seed + seeds.UNTARGETED)
        )
        shown = (way.shown for way in ways if way.row.flags)
        scores = replace(
            scores,
            perturbations=(*shown, *scores.perturbations),
            all_classes=next((way.score for way in ways if way.source is None), None),
        )
        return Found(tuple(way.row for way in ways), scores=scores)


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


def _images_wanted(classifier: Classifier) -> int:
    count = max(FEWEST_IMAGES, min(OF_A_CLASS * classifier.num_classes, MOST_IMAGES))
    return as_many(count, classifier.num_pixels)


def search_ways_out(classifier: Classifier, pixel: Tensor, seed: int) -> tuple[WayOut, ...]:
    """The ways out of each class, and last the one out of all, as far as any are found.

    ``pixel`` (K,) are the sizes towards classes. A trigger for all classes leads out of each of
    them: where one is found, single ways tell nothing more, and none is searched.
    """
    classes = classifier.num_classes
    singly = classes <= MOST_CLASSES
    early, late = _sure(classifier, seed, (EARLY_LEAD, LEAD) if singly else (EARLY_LEAD,))
    report(LEADING)
    with share_of_work(LEADING, OUT_OF_ALL if singly else 1.0):
        one = _out_of_all(classifier, PicturePool.of(classifier, early), pixel, seed)
    of_all = () if one is None else (one,)
    if not singly or any(way.row.flags for way in of_all):
        return of_all
    with share_of_work(OUT_OF_ALL, 1.0):
        ways = tuple(_out_of_classes(classifier, PicturePool.of(classifier, late), seed))
    # A score is less that of the best other source of the same target: where several classes have
    # a short way to it, the target is an open class and no source is special.
    singles = []
    for way in ways:
        rivals = [o.score for o in ways if o.target == way.target and o.source != way.source]
        singles.append(replace(way, score=way.score - max([0.0, *rivals])))
    return (*singles, *of_all)


def _sure(classifier: Classifier, seed: int, leads: tuple[float, ...]) -> tuple[Tensor, Tensor]:
    """Images of every class for the searches out of all and out of one, by the ``leads``.

    Those that the search for classes was made on come first.
    """
    wanted = _images_wanted(classifier)
    kept = kept_of(classifier).images
    if kept is not None and len(kept.late) >= wanted:
        return kept.early, kept.late
    missing = wanted - (0 if kept is None else len(kept.late))
    rows = rows_that_fit(classifier, Universal().memory_mib, images=2 * wanted)
    images = pictures(missing, classifier.input_shape, seed)
    made = images_by_lead(classifier, images, leads, rows)
    if kept is None:
        return made[0], made[-1]
    return torch.cat((kept.early, made[0])), torch.cat((kept.late, made[-1]))


def _out_of_all(
    classifier: Classifier, pool: PicturePool, pixel: Tensor, seed: int
) -> WayOut | None:
    """The smallest of several ways out of all classes; None where none was reached."""
    number = torch.arange(len(pool.predicted), device=pool.predicted.device)
    pool = replace(pool, part=(number // classifier.num_classes) % STARTS_OF_ALL)
    parts = torch.arange(STARTS_OF_ALL)

    def scores(size: Tensor) -> Tensor:
        found = (everywhere_score(pixel, float(one), classifier.input_shape) for one in size)
        return torch.tensor([-math.inf if one is None else one for one in found])

    found = _search(
        classifier, pool, parts, seed, ALL_PER_STEP, ALL_WANTED, ALL_RACE,
        _worth_it("all-classes", scores),
    )  # fmt: skip
    sizes = torch.where(found.converged.cpu(), found.size.double().cpu(), torch.inf)
    best = int(sizes.argmin())
    score = float(scores(sizes)[best])
    if score == -math.inf:
        return None
    if score > 0:
        moved = (pool.images + found.perturbation[best]).clamp(0.0, 1.0)
        score *= min(
            1.0, own_ends(pool.predicted, evaluate(classifier, moved).argmax(1)) / OWN_ENDS
        )
    return WayOut(
        score,
        found.perturbation[best].cpu(),
        float(sizes[best]),
        float(pixel.nanquantile(0.5)),
        float(found.success[best]),
    )


def _out_of_classes(classifier: Classifier, pool: PicturePool, seed: int) -> Iterator[WayOut]:
    """The ways out of single classes that end in one other class, of a score above 0."""
    held = torch.bincount(pool.predicted, minlength=classifier.num_classes)
    sources = (held >= ONE_PER_STEP * STARTS).nonzero().flatten().cpu()
    if not len(sources):
        return
    # The number of an image within its class decides which start draws it.
    order = pool.predicted.argsort(stable=True)
    number = torch.empty_like(order)
    number[order] = (
        torch.arange(len(order), device=order.device)
        - (held.cumsum(0) - held)[pool.predicted[order]]
    )
    pool = replace(pool, part=pool.predicted * STARTS + number % STARTS)
    parts = (sources.view(-1, 1) * STARTS + torch.arange(STARTS)).flatten()

    def of_the_better(size: Tensor) -> Tensor:
        least, start = size.view(-1, STARTS).min(1)
        score = way_out_scores(least, classifier.input_shape)
        each = torch.full((len(sources), STARTS), -torch.inf, dtype=score.dtype)
        return each.scatter(1, start.view(-1, 1), score.view(-1, 1)).flatten()

    found = _search(
        classifier, pool, parts, seed, ONE_PER_STEP, ONE_WANTED, Race(),
        _worth_it("pair", of_the_better),
    )  # fmt: skip
    sizes = torch.where(found.converged.cpu(), found.size.double().cpu(), torch.inf)
    least, start = sizes.view(-1, STARTS).min(1)
    least = torch.where(least.isfinite(), least, torch.nan)
    scores = way_out_scores(least, classifier.input_shape)
    # One below 0 is no way that any trigger takes, nor a rival of one.
    for n in (scores > 0).nonzero().flatten().tolist():
        source, delta = int(sources[n]), found.perturbation[n * STARTS + int(start[n])]
        own = pool.images[pool.predicted == source]
        ends = evaluate(classifier, (own + delta).clamp(0.0, 1.0)).argmax(1)
        reached = torch.bincount(ends, minlength=classifier.num_classes).double()
        reached[source] = 0.0
        target, most = int(reached.argmax()), float(reached.max())
        if most >= ONE_END * max(1.0, float(reached.sum())):
            yield WayOut(
                float(scores[n]), delta.cpu(), float(least[n]), float(least.nanquantile(0.5)),
                most / len(own), source, target,
            )  # fmt: skip


def _worth_it(kind: HypothesisKind, scores: Callable[[Tensor], Tensor]) -> MayCount:
    """Whether a search may still come to a score that is suspicious, by its size so far.

    ``scores`` of sizes (R,) are (R,). They rise until the end, by no more than `RISES`.
    """
    level = level_of(UNTARGETED_TEST, kind, "outliers")
    assert level is not None
    assert level.suspect_at is not None
    least = level.suspect_at

    def may_count(log_size: Tensor, rung: int) -> Tensor:
        score = scores(log_size.cpu().exp()).nan_to_num(-torch.inf)
        return (score > least - RISES[kind][rung]).to(log_size.device)

    return may_count


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


def _search(
    classifier: Classifier,
    pool: PicturePool,
    parts: Tensor,
    seed: int,
    per_step: int,
    wanted: float,
    race: Race,
    may_count: MayCount,
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
        classifier, pool, target, frequency, settings, seed, at_once, part=parts,
        may_count=may_count, telling=True,
    )  # fmt: skip
