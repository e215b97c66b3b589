"""A search that goes on while the network learns: it finds what the network has not yet unlearned.

A perturbation that was found once is unlearned in a few steps, and another a pixel away works as
before. So each training step is preceded by a step of the same search as in a scan
(`search.universal`), in the network as it is by then: new images, a budget that rises while too few
of them go to the target, and the best perturbation within it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from triggerfish.model.classifier import Classifier
from triggerfish.search.frequency import cosine_basis, to_basis, to_pixels
from triggerfish.search.picture_pool import PicturePool
from triggerfish.search.step import attempt, best_within_budget
from triggerfish.search.universal import UniversalPerturbations
from triggerfish.search.universal_settings import UniversalSearch

WIDTH = 0.3
"""Of the widest trust region of a search: late steps of a scan have a fifth, early ones all."""
EVERY = 5
"""Steps after which a perturbation is remembered."""


@dataclass
class Opponent:
    """Perturbations (R, C, H, W) towards ``target`` (R,), in pixels or cosines (``frequency``).

    ``largest`` (R,) are the sizes at which they grow no more. ``past`` has those of earlier steps.
    """

    student: Classifier
    pool: PicturePool
    target: Tensor
    frequency: Tensor
    largest: Tensor
    found: UniversalPerturbations
    search: UniversalSearch
    rows_at_once: int
    generator: torch.Generator
    past: list[tuple[Tensor, Tensor, Tensor]] = field(default_factory=list)

    def __post_init__(self) -> None:
        start, program = self.found.perturbation, self.search.program
        self.target, self.frequency = self.target.to(start.device), self.frequency.to(start.device)
        self._basis = cosine_basis(
            self.student.input_shape, program.highest, start.device, start.dtype
        )
        self._values = to_basis(start.flatten(1), self.frequency, self._basis)
        self._slope = torch.zeros_like(self._values)
        self._log_budget = self.found.size.log()
        self._ceiling = torch.maximum(self.largest.to(self._log_budget).log(), self._log_budget)
        one, unit = torch.ones_like(self._log_budget), self.student.num_pixels**0.5
        self._bound = torch.where(self.frequency, one * unit, one)
        self._width = (
            WIDTH
            * program.widest
            * torch.where(self.frequency, one * program.frequency_width * unit, one)
        )
        self._steps = 0

    @property
    def is_beaten(self) -> bool:
        """Whether no perturbation below the ``largest`` size is found any more."""
        return bool((self._log_budget >= self._ceiling).all())

    @property
    def perturbation(self) -> Tensor:
        """As it is now, (R, C, H, W)."""
        return to_pixels(self._values, self.frequency, self._basis)

    def step(self) -> None:
        """One step of the search, in the student as it is."""
        if self._steps % EVERY == 0:
            self.past.append(self._now)
        self._steps += 1
        index = self.pool.draw(self.target, self.search.images_per_step, self.generator)
        success, gradient = attempt(
            self.student, self.pool, index, self.target, self.perturbation,
            self.search.program.cap, self.rows_at_once,
        )  # fmt: skip
        rise = self.search.budget.gain * (self.search.budget.wanted - success)
        self._log_budget = torch.minimum(self._log_budget + rise, self._ceiling)
        slope = to_basis(gradient, self.frequency, self._basis)
        self._slope.lerp_(slope, 1 - self.search.program.momentum)
        self._values = best_within_budget(
            self._values, self._slope, self._log_budget.exp(), self._width, self._bound
        )

    @property
    def _now(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.perturbation, self.target, self.frequency

    def drawn(self, count: int, remembered: float) -> tuple[Tensor, Tensor, Tensor]:
        """Perturbations (count, C, H, W), their targets and bases (count,), at random.

        The share ``remembered`` is of earlier steps, so that what was unlearned stays so.
        """
        now = self._now
        earlier = tuple(torch.cat(parts) for parts in zip(*self.past, strict=True)) or now
        old = torch.rand(count, generator=self.generator) < remembered
        rows = torch.randint(len(now[0]), (count,), generator=self.generator)
        rows[old] = torch.randint(len(earlier[0]), (int(old.sum()),), generator=self.generator)
        chosen = [part[rows.where(~old, 0)].clone() for part in now]
        for part, before in zip(chosen, earlier, strict=True):
            part[old] = before[rows[old]]
        return chosen[0], chosen[1], chosen[2]
