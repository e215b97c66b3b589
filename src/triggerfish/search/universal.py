"""The smallest single change that turns any picture into a class: a trigger, if there is one.

A change is added to every picture, and the sum clamped to [0, 1]. Each step draws pictures that the
change has not been fitted to, asks how many of them it turns, and lets a budget follow the answer:
``log B += gain * (wanted - success)``, the recursion of Robbins and Monro (1951), whose fixed
point is the budget that turns the wanted fraction of *new* pictures. Under the budget the mean
log-odds, each capped, is maximized as a linear program with a trust region
(`best_within_budget`). The budget is the L1 norm of the change's values in the pixel basis, or of
its coefficients in a cosine basis, where a sinusoidal trigger is a single one.

On a network with linear log-odds the change is the exact optimum (tests/search/test_universal.py).
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from triggerfish.model.classifier import Classifier
from triggerfish.search.activation_maximization import chunks
from triggerfish.search.attempt import attempt
from triggerfish.search.best_runs import best_run, runs_of
from triggerfish.search.budget_step import best_within_budget
from triggerfish.search.frequency import CosineBasis, cosine_basis, to_basis, to_pixels
from triggerfish.search.halving import how_many_go_on, rows_that_go_on, settled
from triggerfish.search.picture_pool import UNTARGETED, PicturePool
from triggerfish.search.progress import Listener, report
from triggerfish.search.wave_screening import best_waves

STEP_VALUES = 2**23
"""Values of changes that go through one linear program together: it holds a dozen copies."""


@dataclass(frozen=True)
class UniversalSearch:
    """Settings of the search; budgets and half-widths are for pixels in [0, 1].

    ``wanted`` is the success that the budget follows, ``gain`` how fast; for the first
    ``patience`` steps it stays, while the change takes shape. ``cap`` is the log-odds at which a
    picture is won and pulls no more. ``momentum`` weighs past gradients. The trust region shrinks
    from ``widest`` to ``narrowest``. The ``pixel_*`` numbers are fractions of the number P of
    pixel values, or of their range; the ``frequency_*`` ones are in units of sqrt(P), the norm of
    a coefficient at which a cosine fills the range. Which waves a change consists of is decided
    early and hard to undo, and the gradient at no change at all points elsewhere than to the wave
    that a network was taught: so that basis is searched from nothing with each of the budgets
    ``frequency_starts``, and with each of ``wave_starts`` from the best single wave of norm
    ``wave_norm``, in the same units; the smallest change counts. A row whose budget stays at
    ``*_largest`` is unreachable. ``highest`` is the largest cosine index, as a fraction of the
    side. After ``look`` steps the cheapest ``kept`` fraction of the rows goes on in each basis,
    ``least`` of them at least, and some of the middle (`triggerfish.search.halving`).
    """

    steps: int = 40
    pictures_per_step: int = 8
    wanted: float = 0.7
    gain: float = 0.3
    cap: float = 4.0
    momentum: float = 0.8
    widest: float = 0.5
    narrowest: float = 0.1
    pixel_start: float = 0.01
    pixel_largest: float = 0.15
    frequency_starts: tuple[float, ...] = (0.15,)
    wave_starts: tuple[float, ...] = (0.2,)
    wave_norm: float = 0.09
    frequency_largest: float = 3.0
    frequency_width: float = 0.08
    highest: float = 0.45
    patience: int = 5
    look: int = 20
    kept: float = 0.3
    least: int = 10

    @property
    def starts(self) -> tuple[float, ...]:
        """First budgets of the runs in the frequency basis, those from nothing first."""
        return (*self.frequency_starts, *self.wave_starts)

    def __post_init__(self) -> None:
        if self.steps < 1 or self.pictures_per_step < 1:
            raise ValueError(
                "expected steps and pictures_per_step >= 1, "
                f"got {self.steps} and {self.pictures_per_step}"
            )
        for name in ("wanted", "highest", "kept"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"expected 0 < {name} <= 1, got {getattr(self, name)}")
        if not 0 <= self.momentum < 1 or self.gain <= 0:
            raise ValueError(
                f"expected 0 <= momentum < 1 and gain > 0, got {self.momentum} and {self.gain}"
            )


@dataclass(frozen=True)
class UniversalChanges:
    """What the search found, one row a (target, basis).

    ``change`` (R, C, H, W) in [-1, 1]; ``size`` (R,) its budget, the geometric mean of the last
    quarter of the row's steps, in units of a pixel's range; ``success`` (R,) on the new pictures of
    those steps; ``converged`` (R,) whether the budget was enough; ``steps`` (R,) how many it took.
    """

    change: Tensor
    size: Tensor
    success: Tensor
    converged: Tensor
    steps: Tensor

    def rows(self, part: slice) -> UniversalChanges:
        """Some of the rows."""
        return UniversalChanges(*(getattr(self, item.name)[part] for item in fields(self)))


@dataclass
class _State:
    """Rows still searched: indices into the result, coefficients, running gradients, histories."""

    rows: Tensor
    coefficients: Tensor
    slope: Tensor
    log_budget: Tensor
    budgets: list[Tensor]
    successes: list[Tensor]

    @staticmethod
    def at_start(limits: _Limits, pixels: int) -> _State:
        """No change at all, in every row."""
        zeros = torch.zeros(len(limits.start), pixels).to(limits.start)
        rows = torch.arange(len(zeros), device=zeros.device)
        return _State(rows, zeros, zeros.clone(), limits.start.log(), [], [])

    def keep(self, mask: Tensor) -> None:
        self.rows, self.coefficients = self.rows[mask], self.coefficients[mask]
        self.slope, self.log_budget = self.slope[mask], self.log_budget[mask]
        self.budgets = [b[mask] for b in self.budgets]
        self.successes = [s[mask] for s in self.successes]


@torch.no_grad()
def search_universal(
    classifier: Classifier,
    pool: PicturePool,
    target: Tensor,
    frequency: Tensor,
    config: UniversalSearch,
    seed: int = 0,
    rows_at_once: int = 512,
    *,
    telling: bool = False,
) -> UniversalChanges:
    """Search for all rows: ``target`` (R,) a class or `UNTARGETED`, ``frequency`` (R,) the basis.

    ``seed`` decides which pictures a step draws, ``rows_at_once`` how many pass the network
    together. A row's search does not depend on the others, except that the dear ones stop early.
    ``telling`` is whether it reports its progress.
    """
    row, start = runs_of(frequency.to(classifier.device), len(config.starts))
    runs = _Runs(target.to(classifier.device)[row], frequency.to(classifier.device)[row], start)
    tell = report if telling else _silent
    found = _search(classifier, pool, runs, config, seed, rows_at_once, tell)
    best = best_run(row, found.size, found.converged)
    return UniversalChanges(*(getattr(found, item.name)[best] for item in fields(found)))


def _silent(_: float) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class _Runs:
    """What is searched: classes ``target`` (R,), basis ``frequency`` (R,), index of the start."""

    target: Tensor
    frequency: Tensor
    start: Tensor


def _search(
    classifier: Classifier,
    pool: PicturePool,
    runs: _Runs,
    config: UniversalSearch,
    seed: int,
    rows_at_once: int,
    tell: Listener,
) -> UniversalChanges:
    """The changes of all runs (R,); ``tell`` hears what fraction of the work is done."""
    dtype, target, frequency = classifier.dtype, runs.target, runs.frequency
    basis = cosine_basis(classifier.input_shape, config.highest, classifier.device, dtype)
    limits = _Limits.of(classifier.num_pixels, runs, config, dtype)
    generator = torch.Generator().manual_seed(seed)
    state = _State.at_start(limits, classifier.num_pixels)
    waves = frequency & (runs.start >= len(config.frequency_starts))
    state.coefficients[waves] = _waves(classifier, pool, target[waves], config, basis, seed)
    group = torch.where(target == UNTARGETED, 2, frequency.long())
    result = early = _empty(state.coefficients.view(-1, *classifier.input_shape))
    look = min(config.look, config.steps)
    on = how_many_go_on(group, config.kept, config.least)
    done, total = 0, look * len(group) + (config.steps - look) * on
    for step in range(config.steps):
        r = state.rows
        change = to_pixels(state.coefficients, frequency[r], basis)
        index = pool.draw(target[r], config.pictures_per_step, generator)
        success, gradient = attempt(
            classifier, pool, index, target[r], change, config.cap, rows_at_once
        )
        _step(state, success, to_basis(gradient, frequency[r], basis), limits, config, step)
        tell(min(1.0, (done := done + len(r)) / total))
        if step + 1 in (config.look, config.steps):
            _record(result, state, frequency, basis, limits)
        if step + 1 == config.look:
            early = replace(result, size=result.size.clone())
            going = rows_that_go_on(state.log_budget, group[r], config.kept, config.least)
            state.keep(going)
    size = settled(result.size, early.size, group, result.steps == config.steps)
    return replace(result, size=size)


def _waves(
    classifier: Classifier,
    pool: PicturePool,
    target: Tensor,
    config: UniversalSearch,
    basis: CosineBasis,
    seed: int,
) -> Tensor:
    """Coefficients (R, P) of the best single wave for each ``target`` (R,)."""
    norm = config.wave_norm * classifier.num_pixels**0.5
    waves = best_waves(classifier, pool, target, norm, config.highest, config.cap, seed)
    return basis.analyze(waves).flatten(1)


def _step(
    state: _State,
    success: Tensor,
    slope: Tensor,
    limits: _Limits,
    config: UniversalSearch,
    step: int,
) -> None:
    """Let the budgets follow ``success`` (R,), and the changes the running mean of ``slope``."""
    r = state.rows
    gain = config.gain if step >= config.patience else 0.0
    rise = gain * (config.wanted - success)
    state.log_budget = torch.minimum(state.log_budget + rise, limits.largest[r].log())
    state.budgets.append(state.log_budget)
    state.successes.append(success)
    state.slope.lerp_(slope, 1 - config.momentum)
    shrink = (config.narrowest / config.widest) ** (step / max(config.steps - 1, 1))
    best = []
    for part in chunks(len(r), max(1, STEP_VALUES // slope.shape[1])):
        best.append(
            best_within_budget(
                state.coefficients[part],
                state.slope[part],
                state.log_budget[part].exp(),
                limits.widest[r[part]] * shrink,
                limits.bound[r[part]],
            )
        )
    state.coefficients = torch.cat(best)


@dataclass(frozen=True)
class _Limits:
    """Per row (R,): first and largest budget, widest trust region, largest single value."""

    start: Tensor
    largest: Tensor
    widest: Tensor
    bound: Tensor

    @staticmethod
    def of(pixels: int, runs: _Runs, config: UniversalSearch, dtype: torch.dtype) -> _Limits:
        unit, frequency = pixels**0.5, runs.frequency
        starts = torch.tensor(config.starts, dtype=dtype).to(frequency.device)
        pairs = (
            (config.pixel_start * pixels, starts[runs.start] * unit),
            (config.pixel_largest * pixels, config.frequency_largest * unit),
            (config.widest, config.widest * config.frequency_width * unit),
            (1.0, unit),
        )
        blank = torch.zeros(len(frequency), device=frequency.device, dtype=dtype)
        columns = [torch.where(frequency, blank + wave, blank + pixel) for pixel, wave in pairs]
        return _Limits(*columns)


def _record(
    result: UniversalChanges,
    state: _State,
    frequency: Tensor,
    basis: CosineBasis,
    limits: _Limits,
) -> None:
    """Write what the rows of ``state`` have reached by now into ``result``."""
    r = state.rows
    late = max(1, len(state.budgets) // 4)
    log_size = torch.stack(state.budgets[-late:]).mean(0)
    success = torch.stack(state.successes[-late:]).mean(0)
    result.change[r] = to_pixels(state.coefficients, frequency[r], basis).view_as(result.change[r])
    result.size[r], result.success[r] = log_size.exp(), success
    result.converged[r] = (success >= 0.5) & (log_size < limits.largest[r].log() - 0.02)
    result.steps[r] = len(state.budgets)


def _empty(change: Tensor) -> UniversalChanges:
    nothing = torch.zeros(len(change), device=change.device, dtype=change.dtype)
    steps = torch.zeros(len(change), device=change.device, dtype=torch.long)
    return UniversalChanges(change.clone(), nothing, nothing.clone(), steps.bool(), steps)
