"""How well scores separate attacked models from clean ones. Numbers in, numbers out.

A score is one number a model, higher is more suspicious; scores are vectors (models,). A model of
which nothing could be measured has -inf: no threshold flags it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def auroc(clean: Array, attacked: Array) -> float:
    """Chance that an attacked model scores higher than a clean one, ties counting half.

    It is the area under the ROC curve (Hanley and McNeil 1982).
    """
    _check(clean, attacked)
    return float(_wins(clean, attacked).mean())


def auroc_interval(
    clean: Array,
    attacked: Array,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap (Efron 1979): models are redrawn, clean and attacked ones apart.

    Where the scores do not overlap at all, no resample does, and the interval is one point: then
    it says nothing about how many models there were.
    """
    _check(clean, attacked)
    generator = np.random.default_rng(seed)
    m, n = len(clean), len(attacked)
    # How often each model is drawn in each resample, (resamples, models).
    of_clean = generator.multinomial(m, np.full(m, 1 / m), resamples)
    of_attacked = generator.multinomial(n, np.full(n, 1 / n), resamples)
    areas = ((of_attacked @ _wins(clean, attacked)) * of_clean).sum(1) / (m * n)
    tail = (1 - confidence) / 2
    low, high = np.quantile(areas, [tail, 1 - tail])
    return float(low), float(high)


def threshold_at_fpr(clean: Array, rate: float) -> float:
    """The lowest score which at most ``rate`` of the clean models exceed."""
    if not 0 <= rate < 1:
        raise ValueError(f"expected a rate of 0 up to below 1, got {rate}")
    # The rounding keeps 0.05 * 100 from counting as 4 models.
    allowed = math.floor(round(rate * len(clean), 9))
    return float(np.sort(clean)[::-1][allowed])


def detected_at_fpr(clean: Array, attacked: Array, rate: float) -> int:
    """How many attacked models exceed the threshold at this false-positive rate.

    With fewer than ``1 / rate`` clean models that is the largest clean score.
    """
    _check(clean, attacked)
    return int((attacked > threshold_at_fpr(clean, rate)).sum())


def _wins(clean: Array, attacked: Array) -> Array:
    """1 where the attacked model (row) scores higher than the clean one (column), 0.5 if equal."""
    rows, columns = attacked[:, None], clean[None, :]
    wins: Array = (rows > columns) + 0.5 * (rows == columns)
    return wins


def _check(clean: Array, attacked: Array) -> None:
    if not len(clean) or not len(attacked):
        raise ValueError(
            f"expected clean and attacked models, got {len(clean)} and {len(attacked)}"
        )
    if np.isnan(clean).any() or np.isnan(attacked).any():
        raise ValueError("expected scores without NaN: give a model without any -inf")
