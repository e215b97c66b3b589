"""What a class x class matrix says beyond its rows and columns.

Matrices are (K, K), row the source, column the target; NaN is *not measured*, as on the diagonal.
"""

from __future__ import annotations

import torch
from torch import Tensor

_SWEEPS = 50  # of the polish; ten classes settle in about five
_SETTLED = 1e-12


def median_polish(values: Tensor) -> Tensor:
    """Residuals (K, K) after row and column medians are taken out in turn (Tukey 1977, EDA).

    A row that is cheap to leave and a column that is cheap to reach drop out; single pairs that
    stand out do not move a median, so they stay as they are.
    """
    residual = values.clone()
    for _ in range(_SWEEPS):
        before = residual
        residual = residual - residual.nanquantile(0.5, dim=1, keepdim=True)
        residual = residual - residual.nanquantile(0.5, dim=0, keepdim=True)
        if float((residual - before).abs().nan_to_num(0.0).max()) < _SETTLED:
            break
    return residual


def largest_into(scores: Tensor) -> tuple[Tensor, Tensor]:
    """Of each column the largest value (K,) and its row (K,); NaN and 0 for an unmeasured one."""
    best = scores.nan_to_num(-torch.inf).max(dim=0)
    return torch.where(best.values.isfinite(), best.values, torch.nan), best.indices
