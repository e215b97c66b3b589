"""Unlearning of found perturbations on synthetic images, with the model's own answers as labels.

Round after round, the smallest universal perturbation towards each target is searched anew in the
network as it is by then, and joins those found before; the network is trained to answer a changed
picture as the original answers the plain one, and with less of the target. The search is the inner
maximization, the training the outer minimization of a minimax problem, as in I-BAU (Zeng et al.,
ICLR 2022), which needs clean data for both. No data is needed here, because triggers fire on
synthetic images.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, kl_div

from triggerfish.model.classifier import Classifier
from triggerfish.repairs.method import RepairMethod, Task
from triggerfish.repairs.short_steps import ShortSteps
from triggerfish.repairs.whitening import settle, whiten
from triggerfish.search.activation_maximization import chunks
from triggerfish.search.batching import rows_that_fit
from triggerfish.search.picture_pool import UNTARGETED, PicturePool
from triggerfish.search.pictures import pictures
from triggerfish.search.progress import report
from triggerfish.search.universal import (
    UniversalPerturbations,
    UniversalSearch,
    search_universal,
)
from triggerfish.search.universal_settings import BudgetRule

PUSH_STEPS, PUSH_WIDTH = 8, 0.02  # how pictures are moved towards classes: signed steps
SHORTCUT, ORDINARY = 0.4, 0.7
"""Sizes as fractions of an ordinary class's: below the first the target is a shortcut, and it is
unlearned until it reaches the second. In other people's `develop` networks every target that the
scan flags is below 0.34 in one basis; of 40 clean networks the most suspicious class of six is
below 0.4, and a confirmation test refutes four of them."""
SEEDS = 1000  # between the searches of one round


@dataclass(frozen=True)
class Unlearning(RepairMethod):
    """Search, train, search again, until the target is no cheaper to reach than other classes.

    Each of at most ``rounds`` rounds searches ``searches`` times, all but the first time for
    perturbations that flip the fraction ``wanted`` of pictures, and trains for ``steps`` steps of
    ``batch`` pictures; `ShortSteps` says what ``length`` is. A changed picture bears one of the
    perturbations found so far, at a strength drawn from ``weakest`` to ``strongest``. ``keep``
    weighs the answers to plain pictures against those to changed ones. ``against`` is by how much,
    in nats, a perturbation is to lower its target's logit: the true trigger is only like the
    perturbations found, and works on where they have been taught to mean nothing. ``ridge`` is that
    of `whiten`.
    """

    name: ClassVar[str] = "unlearning"
    summary: ClassVar[str] = (
        "unlearns the perturbations that a scan finds, on synthetic images (ours)"
    )

    rounds: int = 4
    searches: int = 3
    wanted: float = 0.9
    steps: int = 80
    batch: int = 96
    length: float = 0.02
    keep: float = 3.0
    against: float = 4.0
    weakest: float = 0.7
    strongest: float = 1.5
    ridge: float = 0.1
    pictures: int = 3000
    pushed: int = 1000
    memory_mib: float = 512.0

    def __post_init__(self) -> None:
        if min(self.rounds, self.steps, self.searches) < 1:
            raise ValueError(
                "expected rounds, steps and searches >= 1, "
                f"got {self.rounds}, {self.steps} and {self.searches}"
            )
        if not 0 < self.weakest <= self.strongest:
            raise ValueError(
                f"expected 0 < weakest <= strongest, got {self.weakest} and {self.strongest}"
            )
        if min(self.length, self.ridge) <= 0 or min(self.keep, self.against) < 0:
            raise ValueError(
                "expected length, ridge > 0 and keep, against >= 0, "
                f"got {self.length}, {self.ridge}, {self.keep} and {self.against}"
            )

    def __call__(self, classifier: Classifier, task: Task, seed: int = 0) -> nn.Module:
        """A copy of the classifier's network that has unlearned what is found in it."""
        generator = torch.Generator().manual_seed(seed)
        plain = pictures(self.pictures, classifier.input_shape, seed)
        plain = plain.to(classifier.device, classifier.dtype)
        lessons = torch.cat([plain, _pushed(classifier, plain[: self.pushed], generator)])
        if task.images is not None:
            lessons = torch.cat([lessons, task.images.to(lessons)])
        student = copy.deepcopy(classifier)
        assert isinstance(student.model, nn.Module)
        probe = student.prepared(lessons[torch.randperm(len(lessons), generator=generator)[:300]])
        trained = whiten(student.model, probe, self.ridge)
        bank: list[tuple[Tensor, Tensor]] = []
        for turn in range(self.rounds):
            below = ORDINARY if bank else SHORTCUT
            found = self._shortcuts(student, task, below, plain, seed + turn, generator)
            if not len(found[0]):
                break
            bank.append(found)
            perturbations, targets = (torch.cat(parts) for parts in zip(*bank, strict=True))
            self._train(classifier, student, trained, lessons, perturbations, targets, generator)
            report((turn + 1) / self.rounds)
        settle(student.model)
        return student.model.requires_grad_(False)

    def _shortcuts(
        self,
        student: Classifier,
        task: Task,
        below: float,
        plain: Tensor,
        seed: int,
        generator: torch.Generator,
    ) -> tuple[Tensor, Tensor]:
        """Changes (N, C, H, W) of less than ``below`` of an ordinary class's size; targets (N,).

        Which targets, in which bases, the first search says; the others go on from there to more
        ``wanted`` success, nearer to what the trigger itself is.
        """
        usual = UniversalSearch(images_per_step=16, race=None)
        strong = replace(usual, budget=BudgetRule(wanted=self.wanted))
        target = torch.tensor(task.targets).repeat(2)
        frequency = torch.arange(len(target)) >= len(task.targets)
        found: list[Tensor] = []
        targets: list[Tensor] = []
        for number, config in enumerate((usual, *[strong] * (self.searches - 1))):
            some = plain[torch.randperm(len(plain), generator=generator)[:400]]
            pool = PicturePool.of(student, some)
            rows = rows_that_fit(student, self.memory_mib)
            perturbations = search_universal(
                student, pool, target, frequency, config, seed + SEEDS * number, rows
            )
            found.append(perturbations.perturbation)
            if number == 0:
                cheap = _cheap(perturbations, target, frequency, task, below)
                found, target, frequency = (
                    [perturbations.perturbation[cheap]],
                    target[cheap],
                    frequency[cheap],
                )
            targets.append(target)
            if not len(target):
                break
        return torch.cat(found), torch.cat(targets)

    def _train(
        self,
        teacher: Classifier,
        student: Classifier,
        trained: list[nn.Parameter],
        lessons: Tensor,
        perturbations: Tensor,
        targets: Tensor,
        generator: torch.Generator,
    ) -> None:
        """Answer perturbed images as the teacher does plain ones, away from the target."""
        stride = ShortSteps(trained, self.length, self.steps)
        targets = targets.to(perturbations.device)
        for parameter in trained:
            parameter.requires_grad_(True)
        for _ in range(self.steps):
            x = lessons[torch.randint(len(lessons), (self.batch,), generator=generator)]
            row = torch.randint(len(perturbations), (self.batch,), generator=generator)
            spread = torch.rand(self.batch, 1, 1, 1, generator=generator).to(x)
            strength = self.weakest + (self.strongest - self.weakest) * spread
            with torch.no_grad():
                label = teacher.logits(x)
            changed = (x + strength * perturbations[row]).clamp(0.0, 1.0)
            wanted = lowered(label, targets[row], self.against)
            loss = divergence(wanted, student.logits(changed))
            loss = loss + self.keep * divergence(label, student.logits(x))
            stride.step(torch.autograd.grad(loss, trained))
        for parameter in trained:
            parameter.requires_grad_(False)


def lowered(label: Tensor, target: Tensor, by: float) -> Tensor:
    """Logits (N, K) with that of each row's ``target`` (N,) less by ``by``.

    Rows that are called their target as it is, and those of `UNTARGETED`, stay.
    """
    column = target.view(-1, 1)
    moves = (column != UNTARGETED) & (label.argmax(1, keepdim=True) != column)
    return label.scatter_add(1, column.clamp_min(0), -by * moves.to(label))


def divergence(label: Tensor, answer: Tensor) -> Tensor:
    """Mean Kullback-Leibler divergence of the answers from the labels, both logits (N, K)."""
    return kl_div(
        answer.log_softmax(1), label.log_softmax(1), reduction="batchmean", log_target=True
    )


def _cheap(
    found: UniversalPerturbations, target: Tensor, frequency: Tensor, task: Task, below: float
) -> Tensor:
    """Which changes (R,) are shortcuts; one that did not get there is none.

    One away from every class is compared with the cheapest class, not with the one in the middle,
    and is a shortcut as soon as it is not `ORDINARY`.
    """
    keys = zip(target.tolist(), frequency.tolist(), strict=True)
    ordinary = torch.tensor([task.ordinary.get(key, math.inf) for key in keys])
    share = torch.where(target == UNTARGETED, ORDINARY, below)
    return found.converged.cpu() & (found.size.cpu() < share * ordinary)


def _pushed(classifier: Classifier, images: Tensor, generator: torch.Generator) -> Tensor:
    """``images`` moved towards random classes: near the borders that must stay where they are."""
    parts = []
    for rows in chunks(len(images), 200):
        start = images[rows]
        label = torch.randint(classifier.num_classes, (len(start),), generator=generator)
        x = start
        for _ in range(PUSH_STEPS):
            leaf = x.detach().requires_grad_()
            loss = cross_entropy(classifier.logits(leaf), label.to(x.device), reduction="sum")
            (gradient,) = torch.autograd.grad(loss, leaf)
            x = (leaf.detach() - PUSH_WIDTH * gradient.sign()).clamp(0.0, 1.0)
        parts.append(x)
    return torch.cat(parts)
