"""Which of K values stand out? Numbers in, numbers out; nothing of ours is imported here.

Every test is called on values (K,) in which NaN means *not measured*, and answers with one score
per class: higher is more suspicious, NaN where there was no value. Classes whose score is above the
threshold are flagged; a threshold is always in units of the test's own score.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Published: 0.6745 is the 0.75 quantile of the standard normal law, so that MAD / 0.6745 estimates
# a standard deviation, and 3.5 the cut-off of Iglewicz and Hoaglin, How to Detect and Handle
# Outliers (1993).
MAD_TO_SIGMA = 0.6745
PUBLISHED_THRESHOLD = 3.5


@dataclass(frozen=True)
class Outliers:
    """``score`` (K,), the threshold that flagged classes pass, and a p-value.

    ``p_value`` is the model's (the largest class against a null law), where the test has one.
    """

    score: Array
    threshold: float
    p_value: float | None = None

    @property
    def flagged(self) -> tuple[int, ...]:
        """The classes whose score is above the threshold."""
        return tuple(int(k) for k in np.flatnonzero(self.score > self.threshold))


class OutlierTest(Protocol):
    """Values (K,) of one model -> `Outliers`; ``name`` is what the command line calls it."""

    name: ClassVar[str]

    def __call__(self, values: Array) -> Outliers:
        """Score every class; NaN is *not measured*."""
        ...


def mad_z_scores(values: Array) -> Array:
    """``0.6745 * (v - median) / MAD``, (K,). With MAD 0 every z is 0 or infinite: a tie.

    The median of an even count is the mean of the two middle values, as in numpy.
    """
    centered = values - np.nanmedian(values)
    spread = np.nanmedian(np.abs(centered))
    with np.errstate(divide="ignore", invalid="ignore"):
        z = MAD_TO_SIGMA * centered / spread
    return np.where(centered == 0, 0.0, z)


@dataclass(frozen=True)
class TwoSidedMAD(OutlierTest):
    """The published test: ``|z| > 3.5``. Its false-positive rate for ten normal values is 12 %."""

    name: ClassVar[str] = "two-sided-mad"
    threshold: float = PUBLISHED_THRESHOLD

    def __call__(self, values: Array) -> Outliers:
        """The score is the anomaly index |z|."""
        return Outliers(np.abs(mad_z_scores(values)), self.threshold)


@dataclass(frozen=True)
class OneSidedMAD(OutlierTest):
    """``z > 3.88``: 5 % false positives for ten independent normal values (simulated)."""

    name: ClassVar[str] = "one-sided-mad"
    threshold: float = 3.88

    def __call__(self, values: Array) -> Outliers:
        """The score is the anomaly index z."""
        return Outliers(mad_z_scores(values), self.threshold)


@dataclass(frozen=True)
class Largest(OutlierTest):
    """The value is its own score, for statistics on a known scale such as log-ratios.

    Without a ``threshold`` nothing is flagged.
    """

    name: ClassVar[str] = "largest"
    threshold: float = math.inf

    def __call__(self, values: Array) -> Outliers:
        """The score is the value."""
        return Outliers(values.astype(np.float64), self.threshold)


@dataclass(frozen=True)
class Grubbs(OutlierTest):
    """One-sided Grubbs test (Grubbs 1950) at level ``alpha`` per model."""

    name: ClassVar[str] = "grubbs"
    alpha: float = 0.05

    def __call__(self, values: Array) -> Outliers:
        """The score is ``(v - mean) / std``, the threshold its exact critical value."""
        from scipy import special  # slow to import, and few scans need it

        count = int(np.isfinite(values).sum())
        score = (values - np.nanmean(values)) / np.nanstd(values, ddof=1)
        t = special.stdtrit(count - 2, 1 - self.alpha / count)
        critical = (count - 1) / np.sqrt(count) * np.sqrt(t**2 / (count - 2 + t**2))
        top = np.nanmax(score)
        ratio = count * top**2 / (count - 1) ** 2
        t_top = np.sqrt((count - 2) * ratio / max(1 - ratio, np.finfo(float).tiny))
        p = float(min(1.0, count * special.stdtr(count - 2, -np.sign(top) * t_top)))
        return Outliers(score, float(critical), p)


@dataclass(frozen=True)
class GammaOrderStatistic(OutlierTest):
    """MM-BD (Wang et al., S&P 2024): ``p = 1 - F(v_max)^K``, F a gamma law fitted to the others.

    ``alpha`` is the level per model, the authors' value.
    """

    name: ClassVar[str] = "gamma"
    alpha: float = 0.05

    def __call__(self, values: Array) -> Outliers:
        """The score is ``-log10 p`` of each class against a law fitted to the remaining ones.

        NaN where no law fits them: they tie.
        """
        from scipy import stats  # half a second to import, and no other test needs it

        measured = np.flatnonzero(np.isfinite(values))
        score = np.full(len(values), np.nan)
        for k in measured:
            others = values[measured[measured != k]]
            if np.ptp(others) == 0:
                continue
            shape, loc, scale = stats.gamma.fit(others)
            log_cdf = stats.gamma.logcdf(values[k], shape, loc=loc, scale=scale)
            p = -np.expm1(len(measured) * log_cdf)
            score[k] = -np.log10(max(p, np.finfo(float).tiny))
        p_value = float(10 ** -np.nanmax(score)) if np.isfinite(score).any() else None
        return Outliers(score, float(-np.log10(self.alpha)), p_value)


def two_sided_mad_is_decided(low: Array, high: Array, threshold: float) -> bool:
    """Whether `TwoSidedMAD` flags the same classes for all values in the boxes [low, high].

    Interval arithmetic: the median is monotone in every value, so the medians of the bounds bound
    the median, and likewise the MAD. It never says yes wrongly; it may say no too long.
    """
    centre_low, centre_high = np.median(low), np.median(high)
    far = np.maximum(high - centre_low, centre_high - low)
    near = np.maximum(0.0, np.maximum(low - centre_high, centre_low - high))
    mad_low, mad_high = np.median(near), np.median(far)
    surely_in = MAD_TO_SIGMA * far <= threshold * mad_low
    surely_out = MAD_TO_SIGMA * near > threshold * mad_high
    return bool(np.all(surely_in | surely_out))


def clopper_pearson(successes: int, count: int, confidence: float = 0.95) -> tuple[float, float]:
    """Exact interval of a rate (Clopper and Pearson 1934)."""
    from scipy import special  # slow to import, and few scans need it

    if not 0 <= successes <= count or count < 1:
        raise ValueError(f"expected 0 <= successes <= count, got {successes} of {count}")
    tail, failures = (1 - confidence) / 2, count - successes
    low = special.betaincinv(successes, failures + 1, tail) if successes else 0.0
    high = special.betaincinv(successes + 1, failures, 1 - tail) if failures else 1.0
    return float(low), float(high)


OUTLIER_TESTS: dict[str, OutlierTest] = {
    test.name: test
    for test in (TwoSidedMAD(), OneSidedMAD(), Largest(), Grubbs(), GammaOrderStatistic())
}
