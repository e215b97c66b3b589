"""Which of very many classes deserve the full search: a short first pass ranks them.

A few linear programs from one grey image tell a shortcut from none long before the norms have
settled. The full search then goes to the classes that rank first, where a target is, and to a
random sample of the others, whose norms the candidates are compared with.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from triggerfish.model.classifier import Classifier, log_odds
from triggerfish.search.activation_maximization import chunks
from triggerfish.search.batching import rows_that_fit
from triggerfish.search.minimum_norm import Schedule, minimize_norm
from triggerfish.search.progress import report


@dataclass(frozen=True)
class Screening:
    """With more than ``above`` classes, ``candidates`` and ``sample`` are searched in full.

    The first pass takes ``steps`` programs from the grey level ``level``.
    """

    above: int = 200
    candidates: int = 32
    sample: int = 64
    steps: int = 4
    level: float = 0.5

    def share(self, num_classes: int, searches: int, steps: int) -> float:
        """Fraction of the gradients that the first pass takes, 0 when there is none.

        The full search takes ``steps`` programs for each measured class, ``searches`` times.
        """
        if num_classes <= self.above:
            return 0.0
        first = num_classes * (self.steps + 1)
        return first / (first + (self.candidates + self.sample) * searches * (steps + 1))

    def __post_init__(self) -> None:
        if self.candidates < 1 or self.sample < 6 or self.steps < 1:
            raise ValueError(
                "expected candidates >= 1, sample >= 6 and steps >= 1, "
                f"got {self.candidates}, {self.sample} and {self.steps}"
            )
        if self.above < self.candidates + self.sample:
            raise ValueError(
                f"expected above >= candidates + sample, got {self.above} < "
                f"{self.candidates} + {self.sample}"
            )


@dataclass(frozen=True)
class Selection:
    """``measured`` (M,) class indices in order; ``typical`` (M,) marks those the median is over."""

    measured: Tensor
    typical: Tensor


def select_classes(
    classifier: Classifier,
    screening: Screening,
    target_log_odds: float,
    memory_mib: float,
    seed: int,
    share: float = 1.0,
) -> Selection:
    """All classes when they are few, else candidates and a random sample (by ``seed``)."""
    count = classifier.num_classes
    if count <= screening.above:
        return Selection(torch.arange(count), torch.ones(count, dtype=torch.bool))
    cost = first_pass_cost(classifier, screening, target_log_odds, memory_mib, share)
    order = cost.argsort()
    generator = torch.Generator().manual_seed(seed)
    rest = order[screening.candidates :]
    sample = rest[torch.randperm(len(rest), generator=generator)[: screening.sample]]
    measured = torch.cat([order[: screening.candidates], sample]).sort().values
    return Selection(measured, torch.isin(measured, sample))


def first_pass_cost(
    classifier: Classifier,
    screening: Screening,
    target_log_odds: float,
    memory_mib: float,
    share: float = 1.0,
) -> Tensor:
    """What each class (K,) costs after the first pass; the least is the most suspicious.

    The norm where the confidence was reached; elsewhere the number of pixels plus the log-odds
    still missing, so that every class that got there ranks before every one that did not.
    ``share`` is the first pass's part of all the work, for the progress report.
    """
    costs = []
    schedule = Schedule(steps=screening.steps, rounds=1)
    for rows in chunks(classifier.num_classes, rows_that_fit(classifier, memory_mib)):
        target = torch.arange(rows.start, rows.stop, device=classifier.device)
        start = torch.full(
            (len(target), *classifier.input_shape),
            screening.level,
            device=classifier.device,
            dtype=classifier.dtype,
        )
        found = minimize_norm(classifier, start, target, target_log_odds, schedule)
        with torch.no_grad():
            missing = target_log_odds - log_odds(classifier.logits(found.images), target)
        reached = found.norm.isfinite()
        costs.append(torch.where(reached, found.norm, classifier.num_pixels + missing).cpu())
        report(share * rows.stop / classifier.num_classes)
    return torch.cat(costs)
