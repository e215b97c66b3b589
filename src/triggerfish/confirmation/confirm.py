"""One class of one model -> a confirmation test of it: an independent, more thorough search.

The perturbation towards the class is searched again, from other seeds, on three families of
pictures one by one, in both bases. What is found is compared, tried on new pictures in ways that a
trigger stands, and set against a control: the best perturbations *of the same size* towards other
classes. A trigger outdoes them by far; a class that all pictures are near does not.
"""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass

import torch

from triggerfish.confirmation.search import (
    ConfirmConfig,
    families_of,
    likelier_basis,
    nearest,
    search_again,
    search_within,
)
from triggerfish.confirmation.trials import NOTHING, likeness, successes, tried
from triggerfish.levels import grade_of
from triggerfish.model.classifier import Classifier
from triggerfish.model.folding import folded
from triggerfish.results import BASES, Basis, BasisEvidence, Confirmation, Perturbation, Status
from triggerfish.runtime import one_thread
from triggerfish.search import seeds
from triggerfish.search.batching import rows_that_fit
from triggerfish.search.frequency import CosineBasis, cosine_basis
from triggerfish.search.picture_pool import PicturePool
from triggerfish.search.pictures import as_many, pictures
from triggerfish.search.progress import share_of_work
from triggerfish.search.universal import UniversalPerturbations

SHOWN_ON = 60  # pictures that the success of every perturbation found is measured on
NEAREST = 4  # of the other classes, where the scan has measured how near each is


@one_thread()
def confirm(
    classifier: Classifier, target: int, config: ConfirmConfig | None = None, seed: int = 0
) -> Confirmation:
    """Look at one class again, independently of the scan and more thoroughly.

    Args:
        classifier: The model, as `load_classifier` gives it.
        target: The class to test.
        config: How thorough the test is; its defaults when None.
        seed: The scan's; nothing is drawn as there.

    Returns:
        The grade, *confirmed*, *unclear* or *refuted*, with what was measured. docs/repair.md says
        how often true targets and false alarms get each.

    Raises:
        ValueError: A class that there is not.

    Example:
        >>> import triggerfish as tf
        >>> test = tf.confirm(classifier, 3, tf.ConfirmConfig(others=2, pictures=40, fresh=40))
        >>> test.grade in ("confirmed", "unclear", "refuted")
        True
    """
    if not 0 <= target < classifier.num_classes:
        raise ValueError(f"expected a class from 0 to {classifier.num_classes - 1}, got {target}")
    start, config, seed = time.perf_counter(), config or ConfirmConfig(), seed + seeds.CONFIRMATION
    classifier = folded(classifier)
    count = as_many(config.fresh, classifier.num_pixels)
    fresh = PicturePool.of(classifier, pictures(count, classifier.input_shape, seed))
    pool = families_of(classifier, config, seed)
    images = len(fresh.images) + len(pool.images)
    rows = rows_that_fit(classifier, config.memory_mib, images=images)
    test = _Test(classifier, target, config, seed, fresh, pool, rows)
    first = likelier_basis(classifier, target)
    measured = dict[Basis, tuple[BasisEvidence, list[Perturbation]]]()
    for number, basis in enumerate(sorted(BASES, key=lambda one: one != first)):
        with share_of_work(number / len(BASES), (number + 1) / len(BASES)):
            measured[basis] = test.measured(basis)
        # The lead is the larger of both: once it confirms the class, the other decides nothing.
        if grade_of(measured[basis][0].lead) == "confirmed":
            break
    evidence, perturbations = zip(*(measured[b] for b in BASES if b in measured), strict=True)
    lead = max(item.lead for item in evidence)
    return Confirmation(
        target=target,
        grade=grade_of(lead),
        lead=lead,
        evidence=evidence,
        perturbations=tuple(one for several in perturbations for one in several),
        seconds=time.perf_counter() - start,
    )


@dataclass(frozen=True)
class _Test:
    """What the steps of one confirmation share."""

    classifier: Classifier
    target: int
    config: ConfirmConfig
    seed: int
    fresh: PicturePool
    pool: PicturePool
    rows: int

    def measured(self, basis: Basis) -> tuple[BasisEvidence, list[Perturbation]]:
        """What there is in a basis: the median perturbation of the families, the control."""
        frequency = basis == "frequency"
        found = search_again(
            self.classifier, self.pool, self.target, self.config, self.seed, self.rows,
            frequency=frequency,
        )  # fmt: skip
        sizes = torch.where(found.converged, found.size, torch.inf).tolist()
        middle = sorted(range(len(sizes)), key=sizes.__getitem__)[len(sizes) // 2]
        alike = likeness(found.perturbation, self._cosines() if frequency else None)
        size, own, controls = math.nan, NOTHING, tuple[float, ...]()
        if math.isfinite(sizes[middle]):
            size = sizes[middle]
            own = tried(self.classifier, self.fresh, found.perturbation[middle], self.target)
            controls = self._controls(size, frequency=frequency)
        evidence = BasisEvidence(basis, size, **asdict(own), agreement=alike, controls=controls)
        return evidence, self._perturbations(basis, found)

    def _perturbations(self, basis: Basis, found: UniversalPerturbations) -> list[Perturbation]:
        """All that were found in a basis, as results carry them."""
        some = self.fresh.split(SHOWN_ON)[0]
        goal = torch.full((len(found.size),), self.target)
        rates = successes(self.classifier, some, found.perturbation, goal)
        return [
            Perturbation(
                target=self.target,
                basis=basis,
                delta=found.perturbation[row].cpu(),
                size=float(found.size[row]) if bool(found.converged[row]) else math.nan,
                median_size=math.nan,
                success_rate=rate,
                status=Status.CONVERGED if bool(found.converged[row]) else Status.UNREACHABLE,
            )
            for row, rate in enumerate(rates)
        ]

    def _controls(self, size: float, *, frequency: bool) -> tuple[float, ...]:
        """Success rates of the best perturbations within ``size`` towards some other classes."""
        seed = self.seed + seeds.CONTROLS
        order = torch.randperm(
            self.classifier.num_classes, generator=torch.Generator().manual_seed(seed)
        )
        classes = order[order != self.target][: self.config.others].sort().values
        classes = nearest(self.classifier, classes, NEAREST, frequency=frequency)
        perturbations = search_within(
            self.classifier, self.pool, classes, size, self.config, seed, self.rows,
            frequency=frequency,
        )  # fmt: skip
        return successes(self.classifier, self.fresh, perturbations, classes)

    def _cosines(self) -> CosineBasis:
        highest = self.config.search.program.highest
        model = self.classifier
        return cosine_basis(model.input_shape, highest, model.device, model.dtype)
