"""Several runs of one search, from different starts: the best one counts."""

from __future__ import annotations

import torch
from torch import Tensor


def runs_of(several: Tensor, starts: int) -> tuple[Tensor, Tensor]:
    """The row and the index of the start of each run, (N,) both, rows in order.

    Rows marked in ``several`` (R,) get ``starts`` runs, the others one.
    """
    counts = torch.where(several, starts, 1)
    row = torch.arange(len(several), device=several.device).repeat_interleave(counts)
    first = (counts.cumsum(0) - counts)[row]
    return row, torch.arange(len(row), device=several.device) - first


def best_run(row: Tensor, size: Tensor, converged: Tensor) -> Tensor:
    """Per row the index (R,) of its run of the smallest ``size`` (N,), of those that converged.

    Where none did, the first.
    """
    cost = torch.where(converged, size, torch.inf)
    count = int(row.max()) + 1
    least = torch.full((count,), torch.inf, dtype=cost.dtype, device=cost.device)
    least.scatter_reduce_(0, row, cost, "amin")
    runs = torch.arange(len(row), device=row.device)
    candidates = torch.where(cost == least[row], runs, len(row))
    return torch.full_like(row[:count], len(row)).scatter_reduce_(0, row, candidates, "amin")
