"""Scores of clean reference models -> thresholds and p-values.

A `Reference` of kind *same-recipe* holds the statistics that one detector gave on clean models of
one network and task. A scanned model that matches gets a conformal p-value: the rank of its most
suspicious class among theirs. It rests on one assumption: that the scanned model, if clean, was
made like the reference models, by the same ``recipe``. Shape and task can be compared, the recipe
cannot. One of kind *any-network* holds the largest statistic of clean networks of many people: no
error rate follows, but it says how unusual a score is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from triggerfish.detectors.base import Detector, settings_of
from triggerfish.references.recognition import PICTURES
from triggerfish.statistics.outliers import Array

ReferenceKind = Literal["same-recipe", "same-task", "any-network"]
"""Models of one network, task and recipe; clean networks of one task; clean networks of any."""


@dataclass(frozen=True)
class Reference:
    """Statistics of clean models: ``scores[i][k]`` is model i's class k, None if not measured.

    ``detector`` and ``settings`` say what was measured, ``network`` and ``task`` on what: a
    reference applies where all four are equal (see `fingerprint`). ``recipe`` says in words how
    the models were made. Of kind *same-task* ``network`` is empty, and ``answers`` (P, K) is what
    the models call synthetic images, by which others on their task are recognised (see
    `recognition`); scores of pairs of classes are rows of K * K, source by source. Of kind
    *any-network* there is one score per model, the largest, and ``network`` and ``task`` are empty.
    """

    name: str
    detector: str
    settings: Mapping[str, object]
    network: str
    task: Mapping[str, object]
    scores: tuple[tuple[float | None, ...], ...]
    kind: ReferenceKind = "same-recipe"
    recipe: str = ""
    answers: tuple[tuple[float, ...], ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in get_args(ReferenceKind):
            raise ValueError(f"expected a kind of {get_args(ReferenceKind)}, got {self.kind!r}")
        if self.size < 10:
            raise ValueError(f"expected at least 10 clean models, got {self.size}")
        scores = self.matrix()
        if scores.ndim != 2 or np.isinf(scores).any() or not np.isfinite(scores).any(axis=1).all():
            raise ValueError("expected a table of finite scores, with one or more per model")
        if (self.kind == "same-task") != bool(self.answers):
            raise ValueError("expected answers of a reference of kind same-task, and of no other")
        if self.answers and np.array(self.answers).shape != (PICTURES, self.task["num_classes"]):
            raise ValueError(f"expected answers on {PICTURES} pictures, one per class")

    @property
    def is_calibrated(self) -> bool:
        """Whether thresholds and p-values follow from it for the models that it matches."""
        return self.kind == "same-recipe"

    @property
    def summary(self) -> dict[str, object]:
        """What tells it from other references, without its scores, as plain data."""
        digest = hashlib.sha256(json.dumps(self.scores).encode()).hexdigest()[:16]
        return {"name": self.name, "kind": self.kind, "size": self.size, "scores": digest}

    def is_made_with(self, detector: Detector) -> bool:
        """Whether its scores are those of this detector with these settings."""
        return (self.detector, self.settings) == (detector.name, plain(settings_of(detector)))

    def is_comparable(self, detector: Detector) -> bool:
        """Whether that detector's scores mean the same: its effort alone may be another."""
        effort, now = detector.EFFORT, plain(settings_of(detector))
        return self.detector == detector.name and all(
            value == self.settings.get(name) for name, value in now.items() if name not in effort
        )

    def check(self, detector: Detector) -> None:
        """Raise `ValueError` unless it was made with this detector and these settings."""
        if not self.is_made_with(detector):
            now = plain(settings_of(detector))
            other = [name for name in now if now[name] != self.settings.get(name)]
            raise ValueError(
                f"expected a reference made with {detector.name} and the same settings, got "
                f"{self.name!r}, made with "
                + (
                    f"another {' and '.join(other)}"
                    if self.detector == detector.name
                    else self.detector
                )
                + ": calibrate with what you scan with"
            )

    @property
    def size(self) -> int:
        """Number of reference models."""
        return len(self.scores)

    @property
    def smallest_p_value(self) -> float:
        """The strongest claim the reference allows: ``1 / (size + 1)``."""
        return 1 / (self.size + 1)

    def matrix(self) -> Array:
        """Scores (models, classes), NaN where not measured."""
        return np.array(self.scores, dtype=np.float64)

    def raw_maxima(self) -> Array:
        """The largest statistic of each model, (size,)."""
        maxima: Array = np.nanmax(self.matrix(), axis=1)
        return maxima

    def centered(self, values: Array) -> Array:
        """``values`` (K,) minus each class's mean over the clean models, in units of its spread.

        Of pairs (K, K), each pair's.
        """
        centered: Array = (values.reshape(-1) - _mean(self.matrix())) / self.spread()
        return centered.reshape(values.shape)

    def spread(self) -> Array:
        """The unit (K,) of each class: 1, and more on a task where networks differ about it more.

        Of kind *same-task*, a class's standard deviation over that of the median class.
        """
        scores = self.matrix()
        if self.kind != "same-task":
            return np.ones(scores.shape[1])
        with np.errstate(invalid="ignore", divide="ignore"):
            squares = np.nansum((scores - _mean(scores)) ** 2, axis=0)
            variance = squares / (np.isfinite(scores).sum(axis=0) - 1)
            # A class that was measured on fewer than two models has none.
            deviation: Array = np.sqrt(np.where(variance >= 0, variance, np.nan))
        middle = float(np.nanmedian(deviation))
        if not middle > 0:
            return np.ones(scores.shape[1])
        spread: Array = np.fmax(1.0, deviation / middle)
        return spread

    def clean_maxima(self) -> Array:
        """The largest `centered` statistic of each reference model, ascending, (size,).

        Each model is centered by the mean of the others, as a scanned model is.
        """
        scores = self.matrix()
        measured = np.isfinite(scores).sum(0)
        # Leaving a model out of its class's mean puts it farther away by this factor.
        of_others = measured / np.maximum(measured - 1, 1)
        deviation = (scores - _mean(scores)) * of_others
        return np.sort(np.nanmax(deviation / self.spread(), axis=1))

    def p_value(self, index: float) -> float:
        """Conformal p: ``(1 + #{clean maxima >= index}) / (size + 1)`` (Vovk et al. 2005)."""
        exceeding = self.size - np.searchsorted(self.clean_maxima(), index, side="left")
        return float((1 + exceeding) / (self.size + 1))

    def threshold(self, false_positive_rate: float) -> float:
        """The `centered` statistic that a clean model passes with this probability.

        Below the smallest p-value that ranks allow, the tail is a Gumbel law fitted to the clean
        maxima (the limit law of maxima); never less than the largest clean maximum.
        """
        maxima = self.clean_maxima()
        from scipy import stats  # half a second to import, for one law in few scans

        location, scale = stats.gumbel_r.fit(maxima)
        tail = float(stats.gumbel_r.isf(false_positive_rate, location, scale))
        if false_positive_rate <= self.smallest_p_value:
            return max(tail, float(maxima[-1]))
        return float(np.quantile(maxima, 1 - false_positive_rate, method="higher"))


def _mean(scores: Array) -> Array:
    """Of each class (K,) over the models that it was measured on; NaN where on none."""
    with np.errstate(invalid="ignore"):
        mean: Array = np.nansum(scores, axis=0) / np.isfinite(scores).sum(axis=0)
    return mean


def plain(value: Mapping[str, object]) -> dict[str, object]:
    """As it reads back from JSON, so that tuples and lists compare equal.

    The memory budget is left out: it decides the batches, not the results.
    """
    plain = dict(json.loads(json.dumps(value)))
    plain.pop("memory_mib", None)
    return plain
