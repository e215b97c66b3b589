"""The smallest L1 distance from a baseline at which a class is reached, by linear programs.

For each row: minimise ``||x - b||_1`` subject to ``log_odds(x) >= c``, x in [0, 1]. Inside a box
of half-width ``delta`` around the current x the log-odds is replaced by its linearisation (with a
running mean of the gradient, so that one step does not undo the last). What is left is a
fractional knapsack, whose optimum is known in closed form: pixels go, in the order of their
gradient's size, as far as the box allows, until the linearised log-odds is c; all others return
towards the baseline. For a model with linear log-odds the first step with a box wide enough is the
exact optimum (the oracle of tests/search/test_minimum_norm.py).

It is sequential linear programming (Palacios-Gomez, Lasdon and Engquist 1982) with a shrinking
trust region. No learning rate, no penalty weight: each row needs the few numbers in `Schedule`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from triggerfish.model.classifier import Classifier
from triggerfish.search.activation_maximization import OBJECTIVES, objective_and_gradient


@dataclass(frozen=True)
class Schedule:
    """``steps`` linear programs; the trust region shrinks from ``widest`` to ``narrowest``.

    Half-widths are in units of the [0, 1] box, and fall geometrically. ``momentum`` weighs past
    gradients. ``correction`` is the fraction of a missed (or surplus) log-odds that the next
    program aims above (or below) c; it makes up for what the linearisation promises too much.
    ``rounds`` is how often a row that never reached c starts again, from where it is, with the
    widest region and twice the steps; not one that has not moved at all, as on a network that
    answers the same to everything.
    """

    steps: int = 30
    widest: float = 0.5
    narrowest: float = 0.05
    momentum: float = 0.5
    correction: float = 0.5
    rounds: int = 3

    def __post_init__(self) -> None:
        if self.steps < 1 or self.rounds < 1:
            raise ValueError(f"expected steps, rounds >= 1, got {self.steps}, {self.rounds}")
        if not 0 < self.narrowest <= self.widest <= 1:
            raise ValueError(
                f"expected 0 < narrowest <= widest <= 1, got {self.narrowest}, {self.widest}"
            )


class MinimumNorm(NamedTuple):
    """The best feasible image of each row. ``norm`` (N,) is infinite where there is none.

    ``images`` (N, C, H, W) then hold the last attempt. ``first_reached`` (N,) is the step at which
    the confidence was first reached, -1 if never; ``steps`` (N,) how many gradients a row took.
    """

    images: Tensor
    norm: Tensor
    first_reached: Tensor
    steps: Tensor

    def cpu(self) -> MinimumNorm:
        """The same on the CPU."""
        return MinimumNorm(*(tensor.cpu() for tensor in self))

    def or_better(self, other: MinimumNorm) -> MinimumNorm:
        """Row by row the smaller norm of two searches from the same baselines; ours on a tie."""
        better = other.norm < self.norm
        pairs = zip(self, other, strict=True)
        return MinimumNorm(
            *(torch.where(better.view(-1, *[1] * (a.ndim - 1)), b, a) for a, b in pairs)
        )

    @staticmethod
    def cat(parts: Sequence[MinimumNorm]) -> MinimumNorm:
        """Rows of all parts, in order."""
        return MinimumNorm(*(torch.cat(column) for column in zip(*parts, strict=True)))

    def split(self, at: int) -> tuple[MinimumNorm, MinimumNorm]:
        """The first ``at`` rows, and the others."""
        head = MinimumNorm(*(tensor[:at] for tensor in self))
        return head, MinimumNorm(*(tensor[at:] for tensor in self))


# Surplus log-odds asked for are kept in these bounds: an integral controller must not wind up.
_MIN_SURPLUS, _MAX_SURPLUS = -5.0, 50.0


@torch.no_grad()
def minimize_norm(
    classifier: Classifier,
    baseline: Tensor,
    target: Tensor,
    target_log_odds: float,
    schedule: Schedule | None = None,
    start: Tensor | None = None,
) -> MinimumNorm:
    """Minimum L1 norm of every row, all rows in one batch.

    ``baseline`` (N, C, H, W) in [0, 1] is what changes are measured against, ``start`` where the
    search sets out (the baseline itself when None), ``target`` (N,) class indices,
    ``target_log_odds`` the c of the formula. A row whose start is a baseline that already reaches
    c has norm 0.
    """
    schedule = schedule or Schedule()
    found = MinimumNorm(
        images=(baseline if start is None else start).clone(),
        norm=torch.full((len(baseline),), torch.inf, device=baseline.device, dtype=baseline.dtype),
        first_reached=torch.full_like(target, -1),
        steps=torch.zeros_like(target),
    )
    rows = torch.arange(len(baseline), device=baseline.device)
    for _ in range(schedule.rounds):
        before = found.images[rows]
        _descend(classifier, baseline, target, target_log_odds, schedule, found, rows)
        # Where no gradient has moved it in a whole pass, none ever will.
        moved = (found.images[rows] != before).flatten(1).any(1)
        rows = rows[found.norm[rows].isinf() & moved]
        if not len(rows):
            break
        schedule = replace(schedule, steps=2 * schedule.steps)
    return found


def _descend(
    classifier: Classifier,
    baseline: Tensor,
    target: Tensor,
    c: float,
    schedule: Schedule,
    found: MinimumNorm,
    rows: Tensor,
) -> None:
    """One pass over the schedule for ``rows``, writing what it finds into ``found``."""
    shape = baseline.shape[1:]
    b, y = baseline[rows].flatten(1), target[rows]
    x = found.images[rows].flatten(1)
    mean = torch.zeros_like(x)
    surplus = torch.zeros_like(x[:, 0])
    for step in range(schedule.steps + 1):
        value, gradient = objective_and_gradient(
            classifier, x.view(-1, *shape), y, OBJECTIVES["log-odds"]
        )
        found.steps[rows] += 1

        # Keep the best feasible image of each row, or the latest one while there is none.
        distance, feasible = (x - b).abs().sum(1), value >= c
        never = found.norm[rows].isinf()
        better = feasible & (distance < found.norm[rows])
        keep = better | (never & ~feasible)
        found.images[rows[keep]] = x.view(-1, *shape)[keep]
        found.norm[rows[better]] = distance[better]
        first = rows[feasible & never]
        found.first_reached[first] = found.steps[first] - 1
        if step == schedule.steps:
            break

        # Divided by its weights so far, as in Adam: the mean begins at 0.
        mean.lerp_(gradient.flatten(1), 1 - schedule.momentum)
        slope = mean / (1 - schedule.momentum ** (step + 1))
        surplus = (surplus + schedule.correction * (c - value)).clamp(_MIN_SURPLUS, _MAX_SURPLUS)
        progress = step / max(schedule.steps - 1, 1)
        half_width = schedule.widest * (schedule.narrowest / schedule.widest) ** progress
        x = linear_program(x, b, slope, c + surplus - value, half_width)


def linear_program(x: Tensor, b: Tensor, slope: Tensor, gain: Tensor, half_width: float) -> Tensor:
    """Optimum z (N, P) of: minimise ``||z - b||_1`` such that ``slope . (z - x) >= gain``.

    z stays in [0, 1] and within ``half_width`` of x. Where the box cannot give ``gain`` (N,), it
    gives all it can. Each pixel is either as near to b as allowed, or as far along its slope; the
    last one that is needed goes a fraction of the way.
    """
    home = torch.minimum(torch.maximum(b, x - half_width), x + half_width)
    away = (x + half_width * slope.sign()).clamp_(0.0, 1.0)
    missing = gain - (slope * (home - x)).sum(1)
    return knapsack(home, away, slope, slope * (away - home), missing)


def knapsack(home: Tensor, away: Tensor, slope: Tensor, weight: Tensor, total: Tensor) -> Tensor:
    """``home`` (N, P) moved to ``away``, entry by entry, until what moved weighs ``total`` (N,).

    The entries of the steepest ``slope`` (N, P) go first, the last one a fraction of the way.
    ``weight`` (N, P) is that of a whole move, 0 at least. Where all weigh less than the total, all
    go. It is the optimum of the linear programs here and in `triggerfish.search.step`.
    """
    if slope.device.type == "cpu":  # numpy sorts with vector instructions, several times as fast
        order = torch.from_numpy(np.argsort(-slope.abs().numpy(), axis=1))
    else:
        order = slope.abs().argsort(dim=1, descending=True)
    weight = weight.gather(1, order)
    before = weight.cumsum(1) - weight
    fraction = (total.unsqueeze(1) - before) / weight.clamp_min(torch.finfo(home.dtype).tiny)
    share = torch.zeros_like(home).scatter_(1, order, fraction.clamp_(0.0, 1.0))
    return torch.lerp(home, away, share)
