"""Which rows of a search go on after a rung, and what the others would have come to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from triggerfish.search.universal_settings import Race

ENOUGH = 0.4
"""A row may stop where its perturbation has this success rate and its budget has turned: then its
size is known from both sides."""
MOST_KNOWN = 0.65
"""Nothing stops before this fraction of the units of a group are known."""
MayCount = Callable[[Tensor, int], Tensor]
"""Of log-sizes (R,) after a rung, by its number: which units (R,) may still count in the end."""


@dataclass
class Standings:
    """A race of units, each a row of the result with one run or more: ``unit`` (N,) of each run.

    Units are ranked within their ``group`` (R,), by their log-budgets, above those that are
    ``usual`` (R,) where that is known. Only the best run of a unit goes on. ``middle`` (R,) marks
    the units that were in the middle when most sizes were known; ``latest`` (R,) has the last
    log-budget of each; ``seen`` has per rung the log-budgets of all units that were still there,
    and which of them stopped, (R,) both. Of the smallest units only those go on that ``may_count``;
    where none may, the race is over.
    """

    race: Race
    group: Tensor
    unit: Tensor
    usual: Tensor | None = None
    may_count: MayCount | None = None
    middle: Tensor = field(init=False)
    latest: Tensor = field(init=False)
    seen: list[tuple[Tensor, Tensor]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.middle = torch.zeros_like(self.group, dtype=torch.bool)
        self.latest = torch.full_like(self.group, torch.inf, dtype=torch.float)

    def going_on(self, runs: Tensor, log_budget: Tensor, known: Tensor, survivors: float) -> Tensor:
        """Mask (n,) of the ``runs`` (n,) that go on, by their ``log_budget`` (n,).

        In each group the fraction ``survivors`` of the smallest, the middle, and the units of which
        no run's size is ``known`` (n,) yet. All of them while few are known: budgets that rise
        alike tell nothing.
        """
        unit = self.unit[runs]
        best = log_budget.new_full((len(self.group),), torch.inf)
        best.scatter_reduce_(0, unit, log_budget, "amin")
        alive, is_known = best.isfinite(), torch.zeros_like(self.middle)
        is_known[unit[known]] = True
        # Which may still count: those that stopped are taken where the middle's move since then
        # would have brought them.
        self.latest = torch.where(alive, best, self.latest.to(best))
        going, hope = alive.clone(), alive
        if self.may_count is not None:
            hope = alive & self.may_count(self.settled(self.latest, alive), len(self.seen))
        for one in set(self.group.tolist()):
            rows = torch.nonzero(self.group == one).flatten()
            if len(rows) < self.race.fewest:
                continue
            smallest, middle = self._ranked(rows, best, is_known, survivors)
            if not bool(self.middle[rows].any()):
                if float((is_known | ~alive)[rows].double().mean()) < MOST_KNOWN:
                    continue
                self.middle[middle] = True
            # Who stops is counted by its budget, which is no size until it is known.
            going[rows] &= ~is_known[rows] | self.middle[rows]
            going[smallest] |= hope[smallest]
            if not bool(hope[rows].any()):
                going[rows] = False
        self.seen.append((best, alive & ~going))
        # Other runs of a unit stop where its group races; before that each may turn out the best.
        raced = torch.isin(self.group, self.group[self.middle])[unit]
        return going[unit] & (~raced | _leads(unit, log_budget, len(self.group)))

    def _ranked(
        self, rows: Tensor, best: Tensor, known: Tensor, survivors: float
    ) -> tuple[Tensor, Tensor]:
        """Of the units ``rows`` the smallest and those in the middle, by ``best`` (R,)."""
        rank = best if self.usual is None else best - self.usual
        # Of units that are not known the budget is a lower bound: after all others.
        far = rank[rows][rank[rows].isfinite()].max()
        rank = torch.where(known | rank.isinf(), rank, rank + far.abs() + 1e3)
        order = rows[rank[rows].argsort(stable=True)]
        start = max(0, len(rows) - self.race.middle) // 2
        count = max(self.race.least, round(survivors * len(rows)))
        return order[:count], order[start : start + self.race.middle]

    def settled(self, log_size: Tensor, converged: Tensor) -> Tensor:
        """Log-sizes (R,), those of stopped units moved as the middle of their group has moved.

        Their budgets had not settled by the rung. How far the middle went from there tells by how
        much that is, so the median of all is where it would be without a race. Where no unit of the
        middle has ``converged`` (R,), the others that went to the end tell.
        """
        result, told = log_size.clone(), converged.clone()
        # What stopped at any rung says nothing of how far others moved.
        for _, stopped in self.seen:
            told &= ~stopped
        for best, stopped in self.seen:
            for one in set(self.group[stopped].tolist()):
                mine = self.group == one
                tell = mine & told & self.middle
                tell = tell if bool(tell.any()) else mine & told
                if bool(tell.any()):
                    moved = (log_size - best)[tell].mean()
                    result[mine & stopped] = best[mine & stopped] + moved
        return result


def _leads(unit: Tensor, cost: Tensor, count: int) -> Tensor:
    """Mask (n,) of the first run with the least ``cost`` (n,) in each ``unit`` (n,)."""
    least = cost.new_full((count,), torch.inf).scatter_reduce_(0, unit, cost, "amin")
    number = torch.arange(len(unit), device=unit.device)
    candidates = torch.where(cost == least[unit], number, len(unit))
    first = torch.full((count,), len(unit), device=unit.device)
    first.scatter_reduce_(0, unit, candidates, "amin")
    return number == first[unit]


def runs_of(several: Tensor, starts: int) -> tuple[Tensor, Tensor]:
    """The unit and the index of the start of each run, (N,) both, units in order.

    Units marked in ``several`` (R,) get ``starts`` runs, the others one.
    """
    counts = torch.where(several, starts, 1)
    unit = torch.arange(len(several), device=several.device).repeat_interleave(counts)
    first = (counts.cumsum(0) - counts)[unit]
    return unit, torch.arange(len(unit), device=several.device) - first


def best_run(unit: Tensor, size: Tensor, converged: Tensor, steps: Tensor) -> Tensor:
    """Per unit the index (R,) of the run that counts: of those that went farthest, the smallest.

    By ``size`` (N,) among the runs that ``converged`` (N,); the first where none did.
    """
    count = int(unit.max()) + 1
    most = torch.zeros(count, dtype=steps.dtype, device=steps.device)
    most.scatter_reduce_(0, unit, steps, "amax")
    beyond = float(size[size.isfinite()].max()) + 1.0 if bool(size.isfinite().any()) else 1.0
    # Without a converged run all cost the same, and the first leads; one that stopped never does.
    cost = torch.where(converged, size, beyond)
    cost = torch.where(steps == most[unit], cost, torch.inf)
    return torch.nonzero(_leads(unit, cost, count)).flatten()


def expected_work(group: Tensor, steps: int, rungs: dict[int, float], race: Race | None) -> float:
    """Row-steps of a race of units in ``group`` (R,), about: for the progress report."""
    counts = [int((group == one).sum()) for one in set(group.tolist())]
    work, left, before = 0.0, len(group), 0
    for step, survivors in rungs.items():
        work, before = work + left * (step - before), step
        if race is not None:
            on = [max(race.least, round(survivors * n)) + race.middle for n in counts]
            left = sum(
                n if n < race.fewest else min(n, some) for n, some in zip(counts, on, strict=True)
            )
    return work + left * (steps - before)
