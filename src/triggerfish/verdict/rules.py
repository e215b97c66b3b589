"""Scores -> rows of evidence: how far each class is above what a null leads one to expect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from triggerfish.levels import Level
from triggerfish.references.population import Reference
from triggerfish.results import Evidence, Hypothesis, Null
from triggerfish.statistics.outliers import Array, Largest, OutlierTest
from triggerfish.verdict.sanity import MIN_CLASSES

NONE_MEASURED = float("nan")
"""The level where too little was measured to flag anything by."""


@dataclass(frozen=True)
class Index:
    """``score`` (K,) on the scale of one ``null``, with its levels, and p-values of each class.

    ``sources`` (K,) are the most suspicious ones of scores of pairs, empty for others. ``clean``
    (M,) is the largest score of each clean network that was scored so, empty where none was.
    """

    score: Array
    level: Level
    null: Null
    p_values: tuple[float | None, ...] = ()
    sources: tuple[int, ...] = ()
    clean: tuple[float, ...] = ()

    @property
    def flagged(self) -> tuple[int, ...]:
        """The classes above the level, whatever else is known."""
        return tuple(int(k) for k in np.flatnonzero(self.score > self.level.flag_at))

    def rows(
        self, test: str, sources: Sequence[int] = (), *, note_only: bool = False
    ) -> list[Evidence]:
        """A row for every class; with ``sources`` (K,) about pairs of classes."""
        sources, p_values = self.sources or sources, self.p_values or (None,) * len(self.score)
        return [
            Evidence(
                hypothesis=Hypothesis("pair", k, sources[k])
                if sources
                else Hypothesis("target", k),
                test=test,
                score=float(value),
                flag_at=self.level.flag_at,
                suspect_at=self.level.suspect_at,
                null=self.null,
                p_value=p_values[k],
                note_only=note_only or self.level.note_only,
                clean_as_high=as_high(self.clean, float(value)),
                clean_networks=len(self.clean) or None,
            )
            for k, value in enumerate(self.score)
        ]


def as_high(clean: Sequence[float], score: float) -> int | None:
    """How many clean networks score as high; None where none was scored."""
    return sum(largest >= score for largest in clean) if clean else None


def too_few(level: Level | None) -> Level:
    """That of so few classes that none can be flagged; a confirmation test may still tell."""
    return Level(NONE_MEASURED, None if level is None else level.suspect_at)


@dataclass(frozen=True)
class Calibrated:
    """A class's distance from the mean of clean models of its recipe, in units of its spread."""

    reference: Reference
    threshold: float

    def __call__(self, values: Array) -> Index:
        """The index of the statistic (K,), with the p-value of each class as if it were largest."""
        score = self.reference.centered(values)
        null = Null("same-recipe", self.reference.name, self.reference.size)
        if not np.isfinite(score).any():
            return Index(score, Level(NONE_MEASURED), null)
        p_values = tuple(self.reference.p_value(v) if v == v else None for v in score.tolist())
        clean = tuple(self.reference.clean_maxima().tolist())
        return Index(score, Level(self.threshold), null, p_values, clean=clean)


@dataclass(frozen=True)
class Uncalibrated:
    """How far a class stands out by ``test``; with levels of its own, or a user's ``threshold``."""

    test: OutlierTest
    level: Level | None = None
    threshold: float | None = None

    def __call__(self, values: Array) -> Index:
        """The index of the statistic (K,)."""
        null = Null("fixed" if isinstance(self.test, Largest) else "outliers")
        level = self.level if self.threshold is None else Level(self.threshold)
        if np.isfinite(values).sum() < MIN_CLASSES:
            return Index(values, too_few(level), null)
        found = self.test(values)
        level = Level(found.threshold) if level is None else level
        top = int(np.nanargmax(found.score)) if np.isfinite(found.score).any() else -1
        # The p-value is the model's, so it belongs to the class that stands out most.
        p_values = tuple(found.p_value if k == top else None for k in range(len(values)))
        return Index(found.score, level, null, p_values)


@dataclass(frozen=True)
class AmongSameTask:
    """How far a class is above its mean among clean networks of its task.

    They are of any shape and recipe: no error rate follows from them, so the levels are fixed.
    """

    population: Reference
    level: Level

    def __call__(self, values: Array) -> Index:
        """The index of the statistic (K,), or of scores of pairs (K, K), source by target."""
        null = Null("same-task", self.population.name, self.population.size)
        score, sources = self.population.centered(values), tuple[int, ...]()
        if score.ndim > 1:  # a class is as suspicious as its worst source
            worst = np.where(np.isfinite(score), score, -np.inf)
            sources = tuple(int(source) for source in worst.argmax(axis=0))
            score = np.where(np.isfinite(worst.max(axis=0)), worst.max(axis=0), np.nan)
        enough = np.isfinite(score).sum() >= MIN_CLASSES
        level = self.level if enough else too_few(self.level)
        clean = tuple(self.population.clean_maxima().tolist())
        return Index(score, level, null, sources=sources, clean=clean)


Rule = Calibrated | Uncalibrated | AmongSameTask
