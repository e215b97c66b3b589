"""Which of K values stand out? Numbers in, numbers out; nothing of ours is imported here.

Every test takes values (K,) in which NaN means *not measured*, and returns an anomaly index a
class: higher is more suspicious, NaN where there was no value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[np.float64]

# Published: 0.6745 is the 0.75 quantile of the standard normal law, so that MAD / 0.6745 estimates
# a standard deviation, and 3.5 the cut-off of Iglewicz and Hoaglin, How to Detect and Handle
# Outliers (1993).
MAD_TO_SIGMA = 0.6745
PUBLISHED_THRESHOLD = 3.5


@dataclass(frozen=True)
class Outliers:
    """``anomaly_index`` (K,), the flagged classes, the threshold they passed, and a p-value.

    ``p_value`` is the model's (the largest class against a null law), where the test has one.
    """

    anomaly_index: Array
    flagged: tuple[int, ...]
    threshold: float
    p_value: float | None = None


def mad_z_scores(values: Array) -> Array:
    """``0.6745 * (v - median) / MAD``, (K,). With MAD 0 every z is 0 or infinite: a tie.

    The median of an even count is the mean of the two middle values, as in numpy.
    """
    centred = values - np.nanmedian(values)
    spread = np.nanmedian(np.abs(centred))
    with np.errstate(divide="ignore", invalid="ignore"):
        z = MAD_TO_SIGMA * centred / spread
    return np.where(centred == 0, 0.0, z)


def two_sided_mad(values: Array, threshold: float = PUBLISHED_THRESHOLD) -> Outliers:
    """The published test: ``|z| > 3.5``. Its false-positive rate for ten normal values is 12 %."""
    return _flag(np.abs(mad_z_scores(values)), threshold)


def one_sided_mad(values: Array, threshold: float = 3.88) -> Outliers:
    """``z > 3.88``: 5 % false positives for ten independent normal values (simulated)."""
    return _flag(mad_z_scores(values), threshold)


def largest(values: Array, threshold: float) -> Outliers:
    """The value is its own anomaly index, for statistics on a known scale such as log-ratios."""
    return _flag(values.astype(np.float64), threshold)


def grubbs(values: Array, alpha: float = 0.05) -> Outliers:
    """One-sided Grubbs test (Grubbs 1950): ``(v - mean) / std`` and its exact critical value."""
    count = int(np.isfinite(values).sum())
    index = (values - np.nanmean(values)) / np.nanstd(values, ddof=1)
    t = stats.t.ppf(1 - alpha / count, count - 2)
    critical = (count - 1) / np.sqrt(count) * np.sqrt(t**2 / (count - 2 + t**2))
    largest_g = np.nanmax(index)
    ratio = count * largest_g**2 / (count - 1) ** 2
    t_largest = np.sqrt((count - 2) * ratio / max(1 - ratio, np.finfo(float).tiny))
    p = float(min(1.0, count * stats.t.sf(np.sign(largest_g) * t_largest, count - 2)))
    return _flag(index, float(critical), p)


def gamma_order_statistic(values: Array, alpha: float = 0.05) -> Outliers:
    """MM-BD (Wang et al., S&P 2024): ``p = 1 - F(v_max)^K``, F a gamma law fitted to the others.

    Every class is tested against a fit to the remaining ones; its index is ``-log10 p``, NaN where
    no law fits them: they tie.
    """
    measured = np.flatnonzero(np.isfinite(values))
    index = np.full(len(values), np.nan)
    for k in measured:
        others = values[measured[measured != k]]
        if np.ptp(others) == 0:
            continue
        shape, loc, scale = stats.gamma.fit(others)
        log_cdf = stats.gamma.logcdf(values[k], shape, loc=loc, scale=scale)
        p = -np.expm1(len(measured) * log_cdf)
        index[k] = -np.log10(max(p, np.finfo(float).tiny))
    threshold = float(-np.log10(alpha))
    p_value = float(10 ** -np.nanmax(index)) if np.isfinite(index).any() else None
    return _flag(index, threshold, p_value)


def _flag(index: Array, threshold: float, p_value: float | None = None) -> Outliers:
    flagged = tuple(int(k) for k in np.flatnonzero(index > threshold))
    return Outliers(index, flagged, threshold, p_value)


def two_sided_mad_is_decided(low: Array, high: Array, threshold: float) -> bool:
    """Whether `two_sided_mad` flags the same classes for all values in the boxes [low, high].

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
    if not 0 <= successes <= count or count < 1:
        raise ValueError(f"expected 0 <= successes <= count, got {successes} of {count}")
    interval = stats.binomtest(successes, count).proportion_ci(confidence, method="exact")
    return float(interval.low), float(interval.high)


OutlierTest = Callable[..., Outliers]
OUTLIER_TESTS: dict[str, OutlierTest] = {
    "two-sided-mad": two_sided_mad,
    "one-sided-mad": one_sided_mad,
    "largest": largest,
    "grubbs": grubbs,
    "gamma": gamma_order_statistic,
}
