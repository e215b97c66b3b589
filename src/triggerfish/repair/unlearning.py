"""Unlearning of found changes on procedural pictures, with the model's own answers as labels.

Round after round, the smallest universal change towards each target is searched anew in the
network as it is by then, and joins those found before; the network is trained to answer a changed
picture as the original answers the plain one. The search is the inner maximization, the training
the outer minimization of a minimax problem, as in I-BAU (Zeng et al., ICLR 2022), which needs clean
data for both. No data is needed here, because triggers fire on pictures of nothing.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, kl_div

from triggerfish.model.classifier import Classifier
from triggerfish.repair.method import RepairMethod, Task
from triggerfish.repair.whitening import settle, whiten
from triggerfish.search.activation_maximization import chunks
from triggerfish.search.batching import rows_that_fit
from triggerfish.search.picture_pool import PicturePool
from triggerfish.search.pictures import pictures
from triggerfish.search.progress import report
from triggerfish.search.universal import UniversalChanges, UniversalSearch, search_universal

PUSH_STEPS, PUSH_WIDTH = 8, 0.02  # how pictures are moved towards classes: signed steps
ORDINARY = 0.7
"""A change this much of an ordinary class's size is no shortcut: log 0.7 is well inside of what
clean classes scatter."""


@dataclass(frozen=True)
class Unlearning(RepairMethod):
    """Search, train, search again, until the target is no cheaper to reach than other classes.

    Training has ``steps`` Adam steps of ``batch`` pictures a round. ``keep`` weighs the answers to
    plain pictures against those to changed ones. A changed picture bears the change at a strength
    drawn from ``weakest`` to ``strongest``. ``ridge`` is that of `whiten`.
    """

    name: ClassVar[str] = "unlearning"
    summary: ClassVar[str] = "unlearns the changes that a scan finds, on procedural pictures (ours)"

    rounds: int = 8
    at_least: int = 4
    steps: int = 50
    batch: int = 96
    lr: float = 3e-4
    keep: float = 2.0
    weakest: float = 0.7
    strongest: float = 1.5
    ridge: float = 0.1
    pictures: int = 3000
    pushed: int = 1000
    memory_mib: float = 512.0

    def __post_init__(self) -> None:
        if not 1 <= self.at_least <= self.rounds or self.steps < 1:
            raise ValueError(
                "expected 1 <= at_least <= rounds and steps >= 1, "
                f"got {self.at_least}, {self.rounds} and {self.steps}"
            )
        if not 0 < self.weakest <= self.strongest:
            raise ValueError(
                f"expected 0 < weakest <= strongest, got {self.weakest} and {self.strongest}"
            )
        if self.lr <= 0 or self.keep < 0 or self.ridge <= 0:
            raise ValueError(
                f"expected lr, ridge > 0 and keep >= 0, got {self.lr}, {self.ridge}, {self.keep}"
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
        optimizer = torch.optim.Adam(trained, lr=self.lr)
        bank: list[Tensor] = []
        for turn in range(self.rounds):
            found = self._search(student, task, plain, seed + turn, generator)
            if turn >= self.at_least and _all_ordinary(found, task):
                break
            bank.append(found.change)
            for parameter in trained:
                parameter.requires_grad_(True)
            self._train(classifier, student, optimizer, lessons, bank, generator)
            for parameter in trained:
                parameter.requires_grad_(False)
            report((turn + 1) / self.rounds)
        settle(student.model)
        return student.model.requires_grad_(False)

    def _search(
        self, student: Classifier, task: Task, plain: Tensor, seed: int, generator: torch.Generator
    ) -> UniversalChanges:
        """The smallest changes towards all targets in both bases, in the network as it is now."""
        some = plain[torch.randperm(len(plain), generator=generator)[:400]]
        pool = PicturePool.of(student, some)
        target = torch.tensor(task.targets).repeat(2)
        frequency = torch.arange(len(target)) >= len(task.targets)
        config = UniversalSearch(pictures_per_step=16, kept=1.0)
        rows = rows_that_fit(student, self.memory_mib)
        return search_universal(student, pool, target, frequency, config, seed, rows)

    def _train(
        self,
        teacher: Classifier,
        student: Classifier,
        optimizer: torch.optim.Optimizer,
        lessons: Tensor,
        bank: list[Tensor],
        generator: torch.Generator,
    ) -> None:
        """Half of the changed pictures bear the newest changes, the others any found so far."""
        newest, everything = bank[-1], torch.cat(bank)
        for _ in range(self.steps):
            x = lessons[torch.randint(len(lessons), (self.batch,), generator=generator)]
            half = self.batch // 2
            change = torch.cat(
                [_some(newest, half, generator), _some(everything, self.batch - half, generator)]
            )
            spread = torch.rand(self.batch, 1, 1, 1, generator=generator).to(x)
            strength = self.weakest + (self.strongest - self.weakest) * spread
            with torch.no_grad():
                label = teacher.logits(x)
            changed = (x + strength * change).clamp(0.0, 1.0)
            loss = divergence(label, student.logits(changed))
            loss = loss + self.keep * divergence(label, student.logits(x))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()


def divergence(label: Tensor, answer: Tensor) -> Tensor:
    """Mean Kullback-Leibler divergence of the answers from the labels, both logits (N, K)."""
    return kl_div(
        answer.log_softmax(1), label.log_softmax(1), reduction="batchmean", log_target=True
    )


def _some(changes: Tensor, count: int, generator: torch.Generator) -> Tensor:
    return changes[torch.randint(len(changes), (count,), generator=generator)]


def _all_ordinary(found: UniversalChanges, task: Task) -> bool:
    """Whether no change is a shortcut any more; one that did not get there is none."""
    keys = [(target, frequency) for frequency in (False, True) for target in task.targets]
    return all(
        not converged or size >= ORDINARY * task.ordinary.get(key, float("inf"))
        for key, size, converged in zip(
            keys, found.size.tolist(), found.converged.tolist(), strict=True
        )
    )


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
