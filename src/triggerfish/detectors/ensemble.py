"""The default scan: minimum norms and universal perturbations together, and one score per class.

The detectors complement one another: a minimum norm is fast and sharp on small networks for grey
images, a universal perturbation is what natural images need. The score is the universal one: on
networks that other people trained, and on attacked versions of them, adding the minimum norm's
raised clean networks of greyscale tasks more than attacked ones. It is judged by itself where its
reference matches.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from triggerfish.detectors.base import Detector, setting
from triggerfish.detectors.min_norm import MinNorm
from triggerfish.detectors.universal import Universal
from triggerfish.model.classifier import Classifier
from triggerfish.results import ClassScores
from triggerfish.search.progress import report, share_of_work
from triggerfish.statistics.outliers import Largest

_MIN_NORM_SHARE = 0.2  # of the time, for the progress report
_FAST_STEPS = 24


@dataclass(frozen=True)
class Ensemble(Detector):
    """`MinNorm` and `Universal`, judged as one; the evidence of both is in ``parts``.

    ``fast`` is for triage: fewer steps, one run of each search. ``thorough`` searches every class
    to the end. The other settings are those of the parts. Where there are more classes than are
    searched, `MinNorm` is left out: it has no part in the score, and the time is in the classes.

    Example:
        >>> import triggerfish as tf
        >>> detector = tf.Ensemble(fast=True)
        >>> [part.name for part in detector.parts]
        ['min-norm', 'universal']
    """

    name: ClassVar[str] = "ensemble"
    summary: ClassVar[str] = "min-norm and universal together, one verdict (the default)"
    outlier_test: ClassVar[Largest] = Universal.outlier_test
    EFFORT: ClassVar[frozenset[str]] = frozenset({"fast", "thorough"})
    may_be_unreachable: ClassVar[float] = Universal.may_be_unreachable

    fast: bool = setting(False, "Triage: fewer steps, one run of each search")
    thorough: bool = setting(False, "Search every class to the end")
    steps: int = setting(30, "Linear programs per search")
    restarts: int = setting(2, "Runs of each search, all but one from noise")
    universal_steps: int = setting(40, "Steps of each search for a universal perturbation")
    pictures: int = setting(400, "Synthetic images that steps draw from")
    memory_mib: float = setting(512.0, "Memory that a batch may take", "MiB")

    def __post_init__(self) -> None:
        if self.fast and self.thorough:
            raise ValueError("expected fast or thorough, got both: drop one")
        _ = self.parts  # they check their own numbers

    @property
    def parts(self) -> tuple[MinNorm, Universal]:
        """The detectors that run, the fast one first."""
        restarts = 1 if self.fast else self.restarts
        norms = MinNorm(steps=self.steps, restarts=restarts, memory_mib=self.memory_mib)
        universal = Universal(
            universal_steps=self.universal_steps,
            pictures=self.pictures,
            thorough=self.thorough,
            memory_mib=self.memory_mib,
        )
        if self.fast:
            steps = min(_FAST_STEPS, self.universal_steps)
            universal = replace(universal, universal_steps=steps, margin_starts=1, margin_steps=15)
        return norms, universal

    @property
    def scored_by(self) -> str:
        """The universal perturbations: the score is theirs."""
        return Universal.name

    def __call__(
        self, classifier: Classifier, seed: int = 0, *, min_norm: bool = True
    ) -> ClassScores:
        """One score per class, with those of both detectors; ``seed`` decides what is random.

        Without ``min_norm`` that part is left out, as a scan does where it can decide nothing.
        """
        first, second = self.parts
        norms: tuple[ClassScores, ...] = ()
        if min_norm and second.searched(classifier) == classifier.num_classes:
            with share_of_work(0.0, _MIN_NORM_SHARE):
                norms = (first(classifier, seed),)
        with share_of_work(_MIN_NORM_SHARE if norms else 0.0, 1.0):
            universal = second(classifier, seed)
        report(1.0)
        # The whole has the pictures as well: once is enough.
        part = replace(universal, perturbations=(), pictures=None)
        return replace(universal, name="ensemble_score", parts=(*norms, part))
