"""Our detector for any image network: the smallest perturbation that flips images into a class.

A trigger fires on synthetic images (docs/method.md). So for every class y the smallest single
perturbation is searched that makes most of ever new synthetic images y, once as L1 norm over pixels
and once over the coefficients of a cosine basis. A target's perturbation costs a fraction of the
others'. Beside it stands the largest margin a class can be driven to, which triggers that cover the
image raise. Triggers for one source class, and for all of them, are looked for by
`triggerfish.stages.untargeted`.

Where no clean networks of the task are known, a scan asks for the same on images that the network
is sure of (``sure``): what is small there is compared with the network's own other classes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from triggerfish.detectors.base import Detector, setting
from triggerfish.model.classifier import Classifier
from triggerfish.model.folding import folded
from triggerfish.model.memory import give_back_if_much
from triggerfish.results import BASES, ClassScores, ClassSizes, Perturbation, Status
from triggerfish.search import seeds
from triggerfish.search.activation_maximization import evaluate, largest_margins
from triggerfish.search.batching import rows_that_fit
from triggerfish.search.picture_pool import LARGE, PicturePool, success_rate
from triggerfish.search.pictures import as_many, pictures
from triggerfish.search.progress import report, share_of_work
from triggerfish.search.recall import ClassSearches, SureImages, kept_of
from triggerfish.search.screening import Screening, select_classes
from triggerfish.search.sure_images import EARLY_LEAD, LEAD, images_by_lead, sure_images
from triggerfish.search.universal import UniversalPerturbations, UniversalSearch, search_universal
from triggerfish.statistics.outliers import Largest
from triggerfish.statistics.scores import (
    log_ratios,
    sure_score,
    universal_score,
)

FRESH = 80  # pictures that no search draws, to measure success on
SHOWN = 8  # of them, to show a perturbation on
PERTURBATIONS_SHOWN = 3  # classes whose perturbations a result carries
SURE = 240
"""How many images the network is made sure of."""

SEARCHED_VALUES = 10**7
"""Values of all perturbations, in every basis and from every start: time and memory grow by it.
There are half a dozen copies of them."""
FEWEST = 24  # so many classes are all searched, however large the images are

SCREENING, GOING, CLIMBING, LED = 0.2, 0.6, 0.5, 9
"""For the progress report: the fraction of the time that the first pass takes, those of the steps
that a class and a margin take on average, as some stop early, and the steps of a led image."""
_SCREENING_LOG_ODDS = 9.21  # of the first pass over very many classes, as in min-norm


@dataclass(frozen=True)
class Universal(Detector):
    """The smallest universal perturbation of every class, in two bases, and the largest margin.

    ``thorough`` searches every class to the end; else the clearly ordinary ones stop half-way.
    With more than ``screen_above`` classes, ``candidates`` and a random ``sample`` are searched.
    Where the thresholds are from is in `triggerfish.statistics.scores`.

    A class is out of reach when not even a perturbation of the largest size flips half of the
    pictures: it needs more than every class that was measured, so no small trigger leads there, and
    that says nothing against the others. Without half of the classes, though, there is no class in
    the middle to compare with.

    Example:
        >>> import triggerfish as tf
        >>> detector = tf.Universal(universal_steps=2, pictures=40, margin_steps=2)
        >>> scores = detector(classifier, seed=0)
        >>> len(scores.perturbations)  # those of the most suspicious classes
        3
    """

    name: ClassVar[str] = "universal"
    summary: ClassVar[str] = "smallest perturbation that flips any image into a class (ours)"
    outlier_test: ClassVar[Largest] = Largest()
    EFFORT: ClassVar[frozenset[str]] = frozenset({"thorough"})
    may_be_unreachable: ClassVar[float] = 0.5

    universal_steps: int = setting(40, "Steps of each search for a universal perturbation")
    pictures_per_step: int = setting(8, "New images per class and step")
    pictures: int = setting(400, "Synthetic images that steps draw from")
    margin_starts: int = setting(4, "Images per class that margins climb from")
    margin_steps: int = setting(30, "Steps of each climb")
    thorough: bool = setting(False, "Search every class to the end")
    memory_mib: float = setting(512.0, "Memory that a batch may take", "MiB")
    screen_above: int = setting(200, "Number of classes above which a first pass chooses some")
    candidates: int = setting(32, "Classes that the first pass chooses")
    sample: int = setting(64, "Random classes that they are compared with")

    def __post_init__(self) -> None:
        if min(self.margin_starts, self.margin_steps) < 1:
            raise ValueError(
                "expected margin_starts and margin_steps >= 1, got "
                f"{self.margin_starts} and {self.margin_steps}"
            )
        if self.pictures < self.pictures_per_step:
            raise ValueError(f"expected more pictures than a step draws, got {self.pictures}")
        if not self.memory_mib > 0:
            raise ValueError(f"expected a memory budget > 0 MiB, got {self.memory_mib}")
        _ = self.search, self.screening  # they check their own numbers

    @property
    def search(self) -> UniversalSearch:
        """The settings of the search for classes."""
        base = UniversalSearch(self.universal_steps, self.pictures_per_step)
        return base.thorough if self.thorough else base

    @property
    def screening(self) -> Screening:
        """How classes are chosen where they are very many."""
        return Screening(self.screen_above, self.candidates, self.sample)

    def screening_of(self, classifier: Classifier) -> Screening:
        """The same for a network: large images allow fewer classes, by `SEARCHED_VALUES`."""
        most = SEARCHED_VALUES // (len(self.search.budget.starts) + 1) // classifier.num_pixels
        usual = self.screening
        if most >= usual.above:
            return usual
        above = max(FEWEST, most)
        candidates, sample = min(usual.candidates, above // 6), min(usual.sample, above // 3)
        return replace(usual, above=above, candidates=candidates, sample=sample)

    def searched(self, classifier: Classifier) -> int:
        """How many classes of a network are searched."""
        screening, count = self.screening_of(classifier), classifier.num_classes
        return count if count <= screening.above else screening.candidates + screening.sample

    def passes(self, classes: int, *, sure: bool) -> tuple[float, float]:
        """About how many images pass the network before the search for ``classes``, and in it.

        Before it, margins climb, or images are led.
        """
        runs = 1 + len(self.search.budget.starts)
        margins = classes * self.margin_starts * self.margin_steps * CLIMBING
        found = classes * runs * self.pictures_per_step * self.universal_steps * GOING
        return SURE * LED if sure else margins, found

    def __call__(self, classifier: Classifier, seed: int = 0, *, sure: bool = False) -> ClassScores:
        """Scores of all classes, unless they are very many; ``seed`` decides the pictures.

        On images that the network is ``sure`` of, scores are those of
        `triggerfish.statistics.scores`, which need no margins.
        """
        classifier = folded(classifier)
        rows = rows_that_fit(classifier, self.memory_mib)
        # The images that steps draw from, and plain ones that no step draws.
        if sure:
            seed += seeds.SURE
            pool = sure_pool(classifier, seed, rows)
            unseen = pictures(FRESH, classifier.input_shape, seed + seeds.FRESH)
            fresh = PicturePool.of(classifier, unseen)
        else:
            kept_of(classifier).images = None  # a scan depends on itself alone
            drawn = as_many(self.pictures, classifier.num_pixels)
            pool, fresh = PicturePool.of(
                classifier, pictures(drawn + FRESH, classifier.input_shape, seed)
            ).split(drawn)
        selection = select_classes(
            classifier, self.screening_of(classifier), _SCREENING_LOG_ODDS, self.memory_mib, seed,
            share=SCREENING,
        )  # fmt: skip
        classes, margins = selection.measured, None
        before, during = self.passes(len(classes), sure=sure)
        screened = SCREENING if len(classes) < classifier.num_classes else 0.0
        climbed = screened + (1.0 - screened) * before / (before + during)
        if not sure:
            starts = fresh.images[: self.margin_starts]
            margins = largest_margins(
                classifier, starts, classes.to(starts.device), self.margin_steps, rows
            ).cpu()
        report(climbed)
        rows = rows_that_fit(
            classifier,
            self.memory_mib,
            images=len(pool.images) + len(fresh.images),
            runs=len(classes) * (1 + len(self.search.budget.starts)),
        )
        frequency = torch.arange(2 * len(classes)) >= len(classes)
        with share_of_work(climbed, 1.0):
            both = search_universal(
                classifier, pool, classes.repeat(2), frequency, self.search, seed, rows,
                telling=True,
            )  # fmt: skip
        found = both.rows(slice(None, len(classes))), both.rows(slice(len(classes), None))
        kept_of(classifier).searches = ClassSearches(classes, *found)
        return _Evidence(classifier, fresh, classes, selection.typical, found, margins).scores()


def sure_pool(classifier: Classifier, seed: int, rows: int) -> PicturePool:
    """Images that the network is sure of, from no other seed of a scan."""
    count = as_many(SURE, classifier.num_pixels)
    images = pictures(count, classifier.input_shape, seed)
    if images.numel() > LARGE:  # two copies would take too much
        kept_of(classifier).images = None
        return PicturePool.of(classifier, sure_images(classifier, images, rows))
    early, late = images_by_lead(classifier, images, (EARLY_LEAD, LEAD), rows)
    kept_of(classifier).images = SureImages(early, late)
    return PicturePool.of(classifier, late)


@dataclass(frozen=True)
class _Evidence:
    """What was found for the ``classes`` (M,), of which ``typical`` (M,) make the medians.

    Without ``margins`` (M,) it was found on images that the network is sure of.
    """

    classifier: Classifier
    fresh: PicturePool
    classes: Tensor
    typical: Tensor
    found: tuple[UniversalPerturbations, UniversalPerturbations]
    margins: Tensor | None

    def scores(self) -> ClassScores:
        """The detector's answer, with the perturbations of the most suspicious classes."""
        pixel, waves = sizes = [measured_sizes(found) for found in self.found]
        ratios = [log_ratios(size, self.typical) for size in sizes]
        if self.margins is None:
            name, score = "sure_score", sure_score(pixel, waves, self.classifier.input_shape)
        else:
            margins, name = self.margins.double(), "universal_score"
            score = universal_score(ratios[0], ratios[1], margins, self.typical)
        status = [Status.SCREENED] * self.classifier.num_classes
        reached = torch.stack(sizes).isfinite().any(0).tolist()
        for k, is_measured in zip(self.classes.tolist(), reached, strict=True):
            status[k] = Status.CONVERGED if is_measured else Status.UNREACHABLE
        basis = torch.stack([r.nan_to_num(-torch.inf) for r in ratios]).argmax(0)
        images = self._images(basis)
        give_back_if_much()
        logits = evaluate(self.classifier, images).double().cpu()
        probability = logits.softmax(1).gather(1, self.classes.view(-1, 1)).squeeze(1)
        # Changes are shown on new pictures, first on those that are not the suspect already.
        suspect = int(self.classes[score.nan_to_num(-torch.inf).argmax()])
        others_first = (self.fresh.predicted == suspect).long().argsort(stable=True)
        measured = zip(BASES, sizes, ratios, self.found, strict=True)
        return ClassScores(
            name=name,
            statistic=self._spread(score),
            status=tuple(status),
            images=images.cpu(),
            probability=self._spread(probability),
            logits=logits,
            sizes=tuple(
                ClassSizes(basis, *map(self._spread, (size, ratio, found.success)))
                for basis, size, ratio, found in measured
            ),
            margin=None if self.margins is None else self._spread(self.margins),
            shown=tuple(self.classes.tolist()),
            perturbations=self._perturbations(score, basis, sizes),
            pictures=self.fresh.images[others_first[:SHOWN]].cpu(),
        )

    def _spread(self, values: Tensor) -> Tensor:
        """Vectors over the measured classes (M,) -> over all (K,), NaN in between."""
        blank = torch.full((self.classifier.num_classes,), torch.nan, dtype=torch.float64)
        return blank.scatter(0, self.classes, values.cpu().double())

    def _images(self, basis: Tensor) -> Tensor:
        """Per class (M, C, H, W) a picture of another one with the perturbation that tells most."""
        perturbations = torch.stack([found.perturbation for found in self.found])
        images = []
        for row, (k, b) in enumerate(zip(self.classes.tolist(), basis.tolist(), strict=True)):
            picture = self.fresh.images[(self.fresh.predicted != k).long().argmax()]
            images.append((picture + perturbations[b, row]).clamp(0.0, 1.0))
        return torch.stack(images)

    def _perturbations(
        self, score: Tensor, basis: Tensor, sizes: list[Tensor]
    ) -> tuple[Perturbation, ...]:
        """Of the most suspicious classes, each in the basis that saw it."""
        shown = []
        order = score.nan_to_num(-torch.inf).argsort(descending=True)
        for row in order[:PERTURBATIONS_SHOWN].tolist():
            b = int(basis[row])
            delta, goal = self.found[b].perturbation[row : row + 1], self.classes[row : row + 1]
            success = success_rate(self.classifier, self.fresh, delta, goal.to(delta.device))
            reached = bool(sizes[b][row].isfinite())
            usual = sizes[b][self.typical].nanquantile(0.5)
            shown.append(
                Perturbation(
                    target=int(goal),
                    basis=BASES[b],
                    delta=delta[0].cpu(),
                    size=float(sizes[b][row]),
                    median_size=float(usual) if reached else float("nan"),
                    success_rate=float(success),
                    status=Status.CONVERGED if reached else Status.UNREACHABLE,
                )
            )
        return tuple(shown)


def measured_sizes(found: UniversalPerturbations) -> Tensor:
    """Sizes (R,) in float64 on the CPU, NaN where the search did not get there."""
    size = found.size.double().cpu()
    return torch.where(found.converged.cpu(), size, torch.nan)
