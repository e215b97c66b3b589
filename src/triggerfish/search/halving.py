"""Which rows of a search go on after a first look, and what the others would have come to.

Clearly ordinary rows stop early (successive halving, Jamieson and Talwalkar 2016). Their budgets
have not settled by then, so a few rows of the middle go on too, and tell by how much.
"""

from __future__ import annotations

from collections import Counter

import torch
from torch import Tensor

CONTROLS = 5
"""Rows of the middle that go on; their median is hardly moved by one that falls."""


def rows_that_go_on(cost: Tensor, group: Tensor, kept: float, least: int) -> Tensor:
    """Mask (R,): in each ``group`` (R,) the cheapest ``kept`` fraction, and some of the middle.

    ``least`` go on at least, so small groups do altogether.
    """
    mask = torch.zeros_like(group, dtype=torch.bool)
    for one in set(group.tolist()):
        rows = torch.nonzero(group == one).flatten()
        order = rows[cost[rows].argsort(stable=True)]
        middle = max(0, len(rows) - CONTROLS) // 2
        mask[order[: max(least, round(kept * len(rows)))]] = True
        mask[order[middle : middle + CONTROLS]] = True
    return mask


def how_many_go_on(group: Tensor, kept: float, least: int) -> int:
    """No fewer than `rows_that_go_on` will keep, before it is known which."""
    counts = Counter(group.tolist()).values()
    return sum(min(count, max(least, round(kept * count)) + CONTROLS) for count in counts)


def settled(size: Tensor, early: Tensor, group: Tensor, went_on: Tensor) -> Tensor:
    """Sizes (R,), those of rows that stopped scaled as the controls of their group moved on.

    ``early`` (R,) are the sizes at the look. The dearer half of the rows that ``went_on`` are the
    controls: the cheap ones may hold a trigger, whose size falls much further.
    """
    result = size.clone()
    for one in set(group.tolist()):
        on, off = ((group == one) & part for part in (went_on, ~went_on))
        if not off.any():
            continue
        controls = torch.nonzero(on).flatten()
        controls = controls[early[controls].argsort(descending=True)[: (len(controls) + 1) // 2]]
        result[off] *= (size[controls].log() - early[controls].log()).median().exp()
    return result
