"""One class of one model -> a confirmation test of it: an independent, more thorough search.

The perturbation towards the class is searched again, from other seeds, on three families of
pictures one by one, in both bases. What is found is compared, tried on new pictures in ways that a
trigger stands, and set against a control: the best perturbations *of the same size* towards other
classes. A trigger outdoes them by far; a class that all pictures are near does not.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch

from triggerfish.confirmation.config import ConfirmConfig
from triggerfish.confirmation.grade import grade_of
from triggerfish.confirmation.likeness import likeness
from triggerfish.confirmation.search import search_again, search_within
from triggerfish.confirmation.trials import NOTHING, successes, tried
from triggerfish.model.classifier import Classifier
from triggerfish.results import BASES, BasisEvidence, Confirmation, Perturbation, Status
from triggerfish.search.batching import rows_that_fit
from triggerfish.search.frequency import CosineBasis, cosine_basis
from triggerfish.search.picture_pool import PicturePool
from triggerfish.search.pictures import pictures
from triggerfish.search.progress import report
from triggerfish.search.universal import UniversalChanges

OWN_SEED = 500_009  # added to the scan's seed: other pictures, other draws
CONTROL_SEED = 17


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
    start, config, seed = time.perf_counter(), config or ConfirmConfig(), seed + OWN_SEED
    rows = rows_that_fit(classifier, config.memory_mib)
    fresh = PicturePool.of(classifier, pictures(config.fresh, classifier.input_shape, seed))
    confirmation = _Test(classifier, target, config, seed, fresh, rows)
    found = search_again(classifier, target, config, seed, rows)
    evidence = []
    for row in range(len(BASES)):
        evidence.append(confirmation.evidence(found, row))
        report(0.6 + 0.4 * (row + 1) / len(BASES))
    lead = max(item.lead for item in evidence)
    return Confirmation(
        target=target,
        grade=grade_of(lead),
        lead=lead,
        evidence=tuple(evidence),
        perturbations=tuple(
            confirmation.perturbation(one, row) for one in found for row in range(len(BASES))
        ),
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
    rows: int

    def evidence(self, found: Sequence[UniversalChanges], row: int) -> BasisEvidence:
        """What there is in the basis ``row``: the perturbation in the middle, and the control."""
        perturbations = torch.stack([one.change[row] for one in found])
        sizes = [float(one.size[row]) if bool(one.converged[row]) else math.inf for one in found]
        middle = sorted(range(len(found)), key=lambda n: sizes[n])[len(found) // 2]
        frequency = BASES[row] == "frequency"
        alike = likeness(perturbations, self._cosines() if frequency else None)
        size, own, controls = math.nan, NOTHING, tuple[float, ...]()
        if math.isfinite(sizes[middle]):
            size = sizes[middle]
            own = tried(self.classifier, self.fresh, perturbations[middle], self.target)
            controls = self._controls(size, frequency=frequency)
        return BasisEvidence(BASES[row], size, **asdict(own), agreement=alike, controls=controls)

    def perturbation(self, found: UniversalChanges, row: int) -> Perturbation:
        """One of the perturbations that were found, as results carry them."""
        goal, delta = torch.tensor([self.target]), found.change[row : row + 1]
        reached = bool(found.converged[row])
        return Perturbation(
            target=self.target,
            basis=BASES[row],
            delta=delta[0].cpu(),
            size=float(found.size[row]) if reached else math.nan,
            median_size=math.nan,
            success_rate=successes(self.classifier, self.fresh, delta, goal)[0],
            status=Status.CONVERGED if reached else Status.UNREACHABLE,
        )

    def _controls(self, size: float, *, frequency: bool) -> tuple[float, ...]:
        """Success rates of the best perturbations within ``size`` towards some other classes."""
        seed = self.seed + CONTROL_SEED
        order = torch.randperm(
            self.classifier.num_classes, generator=torch.Generator().manual_seed(seed)
        )
        classes = order[order != self.target][: self.config.others].sort().values
        perturbations = search_within(
            self.classifier, classes, size, self.config, seed, self.rows, frequency=frequency
        )
        return successes(self.classifier, self.fresh, perturbations, classes)

    def _cosines(self) -> CosineBasis:
        highest = self.config.search.highest
        model = self.classifier
        return cosine_basis(model.input_shape, highest, model.device, model.dtype)
