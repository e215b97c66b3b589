"""Settings of the search for universal perturbations: how budgets move, programs step, rows race.

Sizes are for pixels in [0, 1]. ``pixel_*`` are fractions of the number P of pixel values,
``frequency_*`` and ``wave_*`` in units of sqrt(P), the norm of a coefficient at which a cosine
fills the range.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from torch import Tensor


@dataclass(frozen=True)
class BudgetRule:
    """How large a perturbation may be: its budget follows its success rate on new images."""

    wanted: float = 0.7
    """Success rate that a budget settles at."""
    gain: float = 0.3
    """How fast the logarithm of a budget follows once it is near."""
    first_gain: float = 0.75
    """How fast while it is far: it falls with every turn, that is whenever the success rate crosses
    what is wanted (Kesten 1958). With 0.3 from the start a trigger's budget still fell after forty
    steps."""
    patience: int = 5
    """Steps for which a budget stays where it starts, while the perturbation takes shape."""
    pixel_start: float = 0.01
    """First budget over pixels."""
    pixel_largest: float = 0.15
    """Budget at which a row counts as unreachable, over pixels."""
    l2_start: float = 0.05
    """First budget in L2, in units of sqrt(P), the norm of a perturbation by a whole range."""
    l2_largest: float = 0.5
    """Budget at which a row counts as unreachable, in L2."""
    frequency_starts: tuple[float, ...] = (0.15,)
    """First budgets over cosines of the runs that set out from nothing."""
    wave_starts: tuple[float, ...] = (0.2,)
    """First budgets of the runs that set out from the best single wave. Which waves a perturbation
    consists of is decided early and hard to undo, and the gradient at nothing points elsewhere than
    to the wave that a network was taught: so that basis is searched from both."""
    wave_norm: float = 0.09
    """Norm of that wave."""
    frequency_largest: float = 3.0
    """Budget at which a row counts as unreachable, over cosines."""

    @property
    def starts(self) -> tuple[float, ...]:
        """First budgets of the runs in the frequency basis, those from nothing first."""
        return (*self.frequency_starts, *self.wave_starts)

    def rise(self, missing: Tensor, turns: Tensor) -> Tensor:
        """How far log-budgets rise whose success rates miss so much, after so many turns, (R,) all.

        Never faster than the last gain would at no success at all: some perturbations need a third
        of the steps to take shape, whatever their budget, which would overshoot meanwhile.
        """
        gain = (self.first_gain / (1 + turns / 2)).clamp_min(self.gain)
        return (gain * missing).clamp_max(self.gain * self.wanted)


@dataclass(frozen=True)
class ProgramRule:
    """How a perturbation moves within its budget: linear programs in a shrinking trust region."""

    cap: float = 4.0
    """Log-odds at which an image is won and pulls no more."""
    momentum: float = 0.8
    """Weight of past gradients."""
    widest: float = 0.5
    """Half-width of the first trust region, in pixel ranges; they fall geometrically."""
    narrowest: float = 0.1
    """Half-width of the last one."""
    frequency_width: float = 0.08
    """Half-widths over cosines are this fraction of those over pixels, times sqrt(P)."""
    highest: float = 0.45
    """Largest cosine index that a perturbation may use, as a fraction of the side."""


@dataclass(frozen=True)
class Race:
    """Which rows stop early: the clearly ordinary ones, whose sizes decide nothing.

    Successive halving (Jamieson and Talwalkar 2016). What a verdict rests on is measured to the
    end: the smallest rows of each basis, and the rows in the middle, which make the median and tell
    how far the stopped ones would have moved.
    """

    rungs: tuple[float, ...] = (0.25, 0.35, 0.45, 0.55, 0.7)
    """Fractions of the steps after which rows are ranked."""
    survivors: tuple[float, ...] = (0.3, 0.25, 0.2, 0.15, 0.1)
    """Fraction of the rows of a basis that go on after each rung, those of the smallest budgets."""
    least: int = 2
    """So many of the smallest go on at least."""
    middle: int = 2
    """So many of the middle go on."""
    fewest: int = 6
    """Of fewer rows in a basis, each counts: all go on."""


@dataclass(frozen=True)
class UniversalSearch:
    """All settings of a search; `BudgetRule`, `ProgramRule` and `Race` say the rest.

    Raises:
        ValueError: A number out of range.
    """

    steps: int = 40
    """Steps of a row that goes on to the end."""
    images_per_step: int = 8
    """New images per row and step."""
    budget: BudgetRule = field(default_factory=BudgetRule)
    program: ProgramRule = field(default_factory=ProgramRule)
    norm: Literal["l1", "l2"] = "l1"
    """Of what the budget is. L2 is for pixels alone."""
    race: Race | None = field(default_factory=Race)
    """None where every row goes on to the end."""

    def __post_init__(self) -> None:
        if self.steps < 1 or self.images_per_step < 1:
            raise ValueError(
                "expected steps and images_per_step >= 1, "
                f"got {self.steps} and {self.images_per_step}"
            )
        rates = {"wanted": self.budget.wanted, "highest": self.program.highest}
        if self.race is not None:
            rates |= {f"survivors[{n}]": part for n, part in enumerate(self.race.survivors)}
        for name, rate in rates.items():
            if not 0 < rate <= 1:
                raise ValueError(f"expected 0 < {name} <= 1, got {rate}")
        if not 0 <= self.program.momentum < 1 or self.budget.gain <= 0:
            raise ValueError(
                "expected 0 <= momentum < 1 and gain > 0, "
                f"got {self.program.momentum} and {self.budget.gain}"
            )

    @property
    def thorough(self) -> UniversalSearch:
        """The same without a race."""
        return replace(self, race=None)

    @property
    def rungs(self) -> dict[int, float]:
        """Steps after which rows are ranked, with the fraction of them that goes on."""
        if self.race is None:
            return {}
        steps = (max(1, round(part * self.steps)) for part in self.race.rungs)
        return dict(zip(steps, self.race.survivors, strict=True))
