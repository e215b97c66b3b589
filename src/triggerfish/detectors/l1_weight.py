"""The published detector (Khorsand and Nickabadi, IKT 2025): the largest L1 weight a class bears.

For each class, the largest weight w for which activation maximization from a black image, paying
``w * ||x||_1``, still ends with the class's probability at or above ``target_prob``. A backdoor's
target class has a shortcut, so its weight is *larger* than the others' (the publication says
smaller; see docs/method.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from triggerfish.detectors.base import Detector, setting
from triggerfish.model.classifier import Classifier
from triggerfish.results import ClassScores, Status
from triggerfish.search.activation_maximization import (
    OBJECTIVES,
    ObjectiveName,
    Penalty,
    evaluate,
    maximize,
)
from triggerfish.statistics.outliers import OneSidedMAD, OutlierTest, two_sided_mad_is_decided


@dataclass(frozen=True)
class L1Weight(Detector):
    """The largest L1 weight a class bears; the defaults are the published settings.

    With ``decide_at`` set to the outlier test's |z| threshold, the bisection ends as soon as no
    value inside the remaining intervals can change which classes that test flags.

    Example:
        >>> import triggerfish as tf
        >>> scores = tf.L1Weight(steps=5, halvings=2, objective="probability")(classifier, seed=0)
        >>> scores.statistic.shape
        torch.Size([10])
    """

    name: ClassVar[str] = "l1-weight"
    summary: ClassVar[str] = "largest L1 weight a class bears (published)"
    outlier_test: ClassVar[OutlierTest] = OneSidedMAD()

    objective: ObjectiveName = setting("logit", "What is maximized")
    steps: int = setting(100, "Gradient steps per search")
    lr: float = setting(0.3, "Learning rate of Adam", "pixel ranges")
    target_prob: float = setting(0.9999, "Probability that a class must reach")
    max_l1_weight: float = setting(2.0**18, "Cap of the weight's bracket")
    halvings: int = setting(32, "Bisection steps after the bracket")
    penalty: Literal["abs", "sum"] = setting(
        "abs", "Form of the L1 penalty: abs as published, sum is smooth"
    )
    l2_weight: float = setting(0.0, "Coefficient of mean(x^2)")
    tv_weight: float = setting(0.0, "Coefficient of the total variation")
    decide_at: float | None = setting(
        None, "Two-sided |z| at which to stop as soon as nothing can change the flags"
    )

    def __post_init__(self) -> None:
        if self.objective not in OBJECTIVES:
            raise ValueError(f"expected an objective of {list(OBJECTIVES)}, got {self.objective!r}")
        if not 0 < self.target_prob < 1:
            raise ValueError(f"expected 0 < target_prob < 1, got {self.target_prob}")
        if self.steps < 1 or self.halvings < 0:
            raise ValueError(
                f"expected steps >= 1 and halvings >= 0, got {self.steps} and {self.halvings}"
            )
        if not (self.max_l1_weight >= 1 and self.lr > 0):
            raise ValueError(
                f"expected max_l1_weight >= 1 and lr > 0, got {self.max_l1_weight} and {self.lr}"
            )

    def __call__(self, classifier: Classifier, seed: int = 0) -> ClassScores:
        """Largest bearable L1 weight of every class. Deterministic: ``seed`` is not used."""
        search = search_l1_weight(classifier, self)
        logits = evaluate(classifier, search.images).double()
        converged = torch.tensor([s is Status.CONVERGED for s in search.status])
        nan = torch.full_like(search.low, torch.nan)
        return ClassScores(
            name="best_l1_weight",
            statistic=torch.where(converged, search.low, nan).cpu(),
            status=tuple(search.status),
            images=search.images.cpu(),
            probability=logits.softmax(1).diagonal().cpu(),
            logits=logits.cpu(),
            details={
                "l1_norm": search.images.flatten(1).sum(1).double().cpu(),
                "upper_bound": torch.where(converged, search.high, nan).cpu(),
            },
        )


# A probe tries one weight for each of some classes: which succeeded, and their images.
Probe = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


@dataclass
class _Search:
    """Per-class interval [low, high): low succeeded, high failed; (K,) vectors, and images."""

    low: Tensor
    high: Tensor
    images: Tensor
    status: list[Status]

    def try_(self, probe: Probe, rows: Tensor, weights: Tensor) -> Tensor:
        """Probe ``weights`` for the classes ``rows``, narrow their intervals; who succeeded."""
        succeeded, images = probe(rows, weights)
        won, lost = rows[succeeded], rows[~succeeded]
        self.low[won], self.high[lost] = weights[succeeded], weights[~succeeded]
        self.images[won] = images[succeeded]
        return succeeded


def search_l1_weight(classifier: Classifier, config: L1Weight) -> _Search:
    """Bracket 1, 2, 4, ... then bisection, every class a row."""
    count = classifier.num_classes
    black = torch.zeros(
        count, *classifier.input_shape, device=classifier.device, dtype=classifier.dtype
    )

    def probe(rows: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        rows = rows.to(classifier.device)
        images = maximize(
            classifier,
            black[rows],
            rows,
            Penalty(weights.to(black), config.penalty, config.l2_weight, config.tv_weight),
            objective=OBJECTIVES[config.objective],
            steps=config.steps,
            lr=config.lr,
        )
        probability = evaluate(classifier, images).softmax(1)
        reached = probability.gather(1, rows.view(-1, 1)).squeeze(1) >= config.target_prob
        return reached.cpu(), images.cpu()

    search = _Search(
        low=torch.zeros(count, dtype=torch.float64),
        high=torch.full((count,), torch.inf, dtype=torch.float64),
        images=black.cpu().clone(),
        status=[Status.CONVERGED] * count,
    )
    _bracket(search, probe, config.max_l1_weight)
    _bisect(search, probe, config)
    return search


def _bracket(search: _Search, probe: Probe, cap: float) -> None:
    """Double the weight from 1 until it fails; a class that fails at 1 is asked at 0."""
    rows, weight = torch.arange(len(search.low)), 1.0
    while len(rows) and weight <= cap:
        rows = rows[search.try_(probe, rows, torch.full((len(rows),), weight).double())]
        weight *= 2
    for row in rows.tolist():
        search.status[row] = Status.CAP_REACHED
    failed_at_one = (search.high == 1.0).nonzero().squeeze(1)
    if len(failed_at_one):
        reached, images = probe(failed_at_one, torch.zeros(len(failed_at_one)).double())
        search.images[failed_at_one] = images
        for row in failed_at_one[~reached].tolist():
            search.status[row] = Status.UNREACHABLE


def _bisect(search: _Search, probe: Probe, config: L1Weight) -> None:
    """Halve the intervals of the bracketed classes; the widest go first when it may end early."""
    open_rows = torch.tensor(
        [i for i, s in enumerate(search.status) if s is Status.CONVERGED], dtype=torch.long
    )
    left = torch.full((len(search.low),), config.halvings)
    while len(open_rows := open_rows[left[open_rows] > 0]):
        rows = open_rows
        if config.decide_at is not None:
            if _is_decided(search, config.decide_at, config.max_l1_weight):
                return
            width = (search.high - search.low)[rows]
            rows = rows[width >= width.max()]
        search.try_(probe, rows, (search.low[rows] + search.high[rows]) / 2)
        left[rows] -= 1


def _is_decided(search: _Search, threshold: float, cap: float) -> bool:
    """Whether the published test, with unreachable as 0 and capped as the cap, is settled."""
    low, high = search.low.clone(), search.high.clone()
    for row, status in enumerate(search.status):
        if status is Status.UNREACHABLE:
            low[row] = high[row] = 0.0
        elif status is Status.CAP_REACHED:
            low[row] = high[row] = cap
    return two_sided_mad_is_decided(low.numpy(), high.numpy(), threshold)
