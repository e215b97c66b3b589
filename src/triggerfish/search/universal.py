"""The smallest universal perturbation that leads any image to a class: a trigger, if there is one.

A perturbation is added to every image, and the sum clamped to [0, 1]. Each step draws images that
it has not been fitted to, asks how many of them it leads to its target, and lets a budget follow
the answer: ``log B += gain * (wanted - success)``, the recursion of Robbins and Monro (1951), whose
fixed point is the budget that leads the wanted fraction of *new* images. Under the budget the mean
log-odds, each capped, is maximized as a linear program with a trust region
(`best_within_budget`). The budget is the L1 norm of the perturbation's values in the pixel basis,
or of its coefficients in a cosine basis, where a sinusoidal trigger is a single one. A trigger that
is blended into the whole image is small in neither: for it the budget is the L2 norm of the values.

On a network with linear log-odds the perturbation is the exact optimum
(tests/search/test_universal.py).
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from triggerfish.model.classifier import Classifier
from triggerfish.model.memory import give_back_if_much
from triggerfish.search.frequency import CosineBasis, best_waves, cosine_basis, to_basis, to_pixels
from triggerfish.search.picture_pool import UNTARGETED, PicturePool
from triggerfish.search.progress import report
from triggerfish.search.race import ENOUGH, MayCount, Standings, best_run, expected_work, runs_of
from triggerfish.search.step import attempt, best_within_budget, toward_slope
from triggerfish.search.universal_settings import UniversalSearch

__all__ = ["UniversalPerturbations", "UniversalSearch", "search_universal"]

REACHED = 0.5
"""Success rate over a row's last quarter of steps from which its budget was enough."""
LATE = 3  # steps of that quarter at least, as far as there are so many
BELOW_LARGEST = 0.02  # of a log-budget: one that is nearer to the largest stays there


@dataclass(frozen=True)
class UniversalPerturbations:
    """What the search found, one row a (target, basis).

    ``perturbation`` (R, C, H, W) in [-1, 1]; ``size`` (R,) its budget, the geometric mean of the
    last quarter of the row's steps, in units of a pixel's range; ``success`` (R,) on the new images
    of those steps; ``converged`` (R,) whether the budget was enough; ``steps`` (R,) how many it
    took.
    """

    perturbation: Tensor
    size: Tensor
    success: Tensor
    converged: Tensor
    steps: Tensor

    def rows(self, part: slice | Tensor) -> UniversalPerturbations:
        """Some of the rows."""
        return UniversalPerturbations(*(getattr(self, item.name)[part] for item in fields(self)))


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
    part: Tensor | None = None,
    usual: Tensor | None = None,
    within: Tensor | None = None,
    may_count: MayCount | None = None,
    telling: bool = False,
) -> UniversalPerturbations:
    """Search for all rows: ``target`` (R,) a class or `UNTARGETED`, ``frequency`` (R,) the basis.

    ``seed`` decides which images a step draws, ``rows_at_once`` how many pass the network together.
    ``part`` (R,) confines a row to the images of that part of the pool, ``usual`` (R,) has
    log-sizes that rows are ranked from, and ``within`` (R,) sizes at which budgets are held. A
    row's search does not depend on the others, except that ordinary ones stop early, and those that
    can not count any more by ``may_count``. ``telling`` is whether it reports its progress.
    """
    unit, start = runs_of(frequency, 1 if within is not None else len(config.budget.starts))
    basis = cosine_basis(
        classifier.input_shape, config.program.highest, classifier.device, classifier.dtype
    )
    rows = _Rows.at_start(classifier, pool, target[unit], frequency[unit], start, config, seed)
    if part is not None:
        rows.part = part.to(classifier.device)[unit]
    if within is not None:
        rows.log_budget = within.to(rows.log_budget)[unit].log()
    group = torch.where(target == UNTARGETED, 2, frequency.long()).to(classifier.device)
    standings = (
        None if config.race is None else Standings(config.race, group, unit, usual, may_count)
    )
    blank = pool.images.new_zeros(len(unit))
    found = UniversalPerturbations(
        blank.new_zeros(len(unit), *classifier.input_shape), blank, blank.clone(), blank.bool(),
        blank.long(),
    )  # fmt: skip
    give_back_if_much()
    generator = torch.Generator().manual_seed(seed)
    rungs = config.rungs
    done, total = 0, expected_work(group, config.steps, rungs, config.race)
    for step in range(config.steps):
        # Draw images that no perturbation was fitted to.
        index = pool.draw(rows.target, config.images_per_step, generator, rows.part)

        # Try: the fraction that goes to the target, and where the mean log-odds would rise.
        perturbation = to_pixels(rows.values, rows.frequency, basis)
        success, gradient = attempt(
            classifier, pool, index, rows.target, perturbation, config.program.cap, rows_at_once
        )

        # Budget: more where too few images went, less where more than wanted did. It is a
        # stochastic approximation: the images are new, so nothing is gained by fitting old ones.
        if within is None and step >= config.budget.patience:
            missing = config.budget.wanted - success
            rows.turns += (missing.sign() * rows.missing) < 0
            rise = config.budget.rise(missing, rows.turns)
            rows.log_budget = torch.minimum(rows.log_budget + rise, rows.largest.log())
            rows.missing = missing
        rows.log_budgets.append(rows.log_budget)
        rows.successes.append(success)

        # Program: the best perturbation within the budget, no farther from the last one than the
        # linearized objective holds. The mean of past gradients stands for the images not drawn.
        slope = to_basis(gradient, rows.frequency, basis)
        rows.slope.lerp_(slope, 1 - config.program.momentum)
        progress = step / max(config.steps - 1, 1)
        shrink = (config.program.narrowest / config.program.widest) ** progress
        if config.norm == "l2":
            share = config.program.widest * shrink
            rows.values = toward_slope(rows.values, rows.slope, rows.log_budget.exp(), share)
        else:
            rows.values = best_within_budget(
                rows.values, rows.slope, rows.log_budget.exp(), rows.widest * shrink, rows.bound
            )

        # Race: ordinary rows stop; the smallest, which may hold a trigger, and the middle go on.
        if telling:
            done += len(rows.run)
            report(min(1.0, done / total))
        if step + 1 in rungs and standings is not None:
            _record(found, rows, basis, ENOUGH)
            known = (rows.turns > 0) & (found.success[rows.run] >= ENOUGH)
            rows = rows.those(standings.going_on(rows.run, rows.log_budget, known, rungs[step + 1]))
            if not len(rows.run):
                break
            give_back_if_much()  # fewer rows make batches of another size
    _record(found, rows, basis, REACHED)

    # One row a unit, by its run that counts; the sizes of those that stopped early are settled.
    unit = unit.to(found.steps.device)
    result = found.rows(best_run(unit, found.size, found.converged, found.steps))
    log_size = result.size
    if standings is not None:
        log_size = standings.settled(log_size, result.converged)
    return replace(result, size=log_size.exp())


@dataclass
class _Rows:
    """Runs still searched: indices into the result, values, running gradients, histories.

    All are (n,) or (n, P), those of the histories too: the own and largest budget, the widest
    trust region and the largest single value in each run's own basis; how much success was missing
    last, and how often that changed its sign.
    """

    run: Tensor
    target: Tensor
    frequency: Tensor
    part: Tensor
    values: Tensor
    slope: Tensor
    log_budget: Tensor
    largest: Tensor
    widest: Tensor
    bound: Tensor
    missing: Tensor
    turns: Tensor
    log_budgets: list[Tensor]
    successes: list[Tensor]

    @staticmethod
    def at_start(
        classifier: Classifier,
        pool: PicturePool,
        target: Tensor,
        frequency: Tensor,
        start: Tensor,
        config: UniversalSearch,
        seed: int,
    ) -> _Rows:
        """No perturbation at all, but for the runs that set out from a wave."""
        budget, program, pixels = config.budget, config.program, classifier.num_pixels
        target, frequency = target.to(classifier.device), frequency.to(classifier.device)
        unit, zeros = pixels**0.5, pool.images.new_zeros(len(target), pixels)
        blank = zeros[:, 0]
        starts = torch.tensor(budget.starts).to(zeros)[start.to(classifier.device)]

        def by_basis(pixel: float, wave: float | Tensor) -> Tensor:
            return torch.where(frequency, blank + wave, blank + pixel)

        first, largest = budget.pixel_start * pixels, budget.pixel_largest * pixels
        if config.norm == "l2":
            first, largest = budget.l2_start * unit, budget.l2_largest * unit
        waves = frequency & (start.to(classifier.device) >= len(budget.frequency_starts))
        norm = budget.wave_norm * unit
        values = zeros.clone()
        if bool(waves.any()):
            basis = cosine_basis(
                classifier.input_shape, program.highest, classifier.device, classifier.dtype
            )
            images = best_waves(
                classifier, pool, target[waves], norm, program.highest, program.cap, seed
            )
            values[waves] = basis.analyze(images).flatten(1)
        return _Rows(
            run=torch.arange(len(target), device=classifier.device),
            target=target,
            frequency=frequency,
            part=torch.zeros_like(target).to(classifier.device),
            values=values,
            slope=zeros,
            log_budget=by_basis(first, starts * unit).log(),
            largest=by_basis(largest, budget.frequency_largest * unit),
            widest=by_basis(program.widest, program.widest * program.frequency_width * unit),
            bound=by_basis(1.0, unit),
            missing=blank.clone(),
            turns=blank.clone(),
            log_budgets=[],
            successes=[],
        )

    def those(self, mask: Tensor) -> _Rows:
        """The runs that ``mask`` (n,) marks."""
        kept: dict[str, Any] = {}
        for item in fields(self):
            value = getattr(self, item.name)
            history = isinstance(value, list)
            kept[item.name] = [one[mask] for one in value] if history else value[mask]
        return _Rows(**kept)


def _record(found: UniversalPerturbations, rows: _Rows, basis: CosineBasis, needed: float) -> None:
    """Write what ``rows`` have come to into ``found``, ``size`` as a logarithm.

    A budget is enough from a success rate of ``needed``.
    """
    late = max(LATE, len(rows.log_budgets) // 4)
    log_size = torch.stack(rows.log_budgets[-late:]).mean(0)
    success = torch.stack(rows.successes[-late:]).mean(0)
    found.perturbation[rows.run] = to_pixels(rows.values, rows.frequency, basis)
    found.size[rows.run], found.success[rows.run] = log_size, success
    below = log_size < rows.largest.log() - BELOW_LARGEST
    found.converged[rows.run] = (success >= needed) & below
    found.steps[rows.run] = len(rows.log_budgets)
