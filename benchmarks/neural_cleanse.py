"""Neural Cleanse (Wang et al., S&P 2019): the upper reference, because it is given clean images.

For every class, the smallest mask and pattern that send clean images to it:

    minimise  cross-entropy(f((1 - mask) x + mask pattern), class) + cost ||mask||_1

by Adam on the inverse tanh of both; the cost rises while the attack works and falls while it does
not. An abnormally small mask is a trigger. It stands outside the package because of the images.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from triggerfish.levels import Level
from triggerfish.model.classifier import Classifier
from triggerfish.results import ClassScores, Null, Scanned, Status
from triggerfish.search.activation_maximization import evaluate
from triggerfish.search.pictures import pictures
from triggerfish.statistics.outliers import OneSidedMAD, Outliers
from triggerfish.verdict.conclude import conclude
from triggerfish.verdict.rules import Index
from triggerfish.zoo.data.datasets import Dataset

THRESHOLD = 2.0
NAME = "neural-cleanse"
"""Published: the anomaly index above which a class is flagged."""
WINDOW = 10
"""Batches that a success is counted on; fewer where they hold all images."""


@dataclass(frozen=True)
class NeuralCleanseConfig:
    """Settings; learning rate, betas, success, patience and first cost are the authors'.

    The authors take some 30,000 batches of 32 a class. Here all classes go through ``steps``
    batches of ``batch`` images together, and the success that decides about cost and best mask is
    over the latest `WINDOW` batches.
    """

    steps: int = 300
    batch: int = 10
    learning_rate: float = 0.1
    betas: tuple[float, float] = (0.5, 0.9)
    success: float = 0.99
    cost: float = 1e-3
    cost_up: float = 1.5
    cost_down: float = 2.0
    patience: int = 5


@dataclass(frozen=True)
class Triggers:
    """Per class the smallest mask that works (K, 1, H, W) and its pattern (K, C, H, W), in [0, 1].

    ``norm`` (K,) is the mask's, NaN where none reached the success.
    """

    mask: Tensor
    pattern: Tensor
    norm: Tensor


@dataclass
class _Cost:
    """The weight of the norm (K,), and for how many steps each class has (not) succeeded."""

    config: NeuralCleanseConfig
    value: Tensor
    above: Tensor = field(init=False)
    below: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.above = torch.zeros_like(self.value, dtype=torch.long)
        self.below = torch.zeros_like(self.above)

    def update(self, succeeded: Tensor) -> None:
        """Raise it after ``patience`` successes (K,) in a row, lower it after as many failures."""
        self.above = torch.where(succeeded, self.above + 1, 0)
        self.below = torch.where(succeeded, 0, self.below + 1)
        up, down = self.above == self.config.patience, self.below == self.config.patience
        self.value = torch.where(up, self.value * self.config.cost_up, self.value)
        self.value = torch.where(down, self.value / self.config.cost_down, self.value)
        self.above[up], self.below[down] = 0, 0


def clean_images(data: Dataset, each: int = 10) -> Tensor:
    """The first ``each`` images of every class, float (N, C, H, W) in [0, 1], class by class."""
    first = [(data.labels == k).nonzero().squeeze(1)[:each] for k in range(len(data.classes))]
    return data.images[torch.cat(first)].float() / 255


def neural_cleanse(
    classifier: Classifier,
    images: Tensor,
    config: NeuralCleanseConfig | None = None,
    seed: int = 0,
) -> Triggers:
    """Reverse-engineered triggers of all classes from clean images (N, C, H, W) in [0, 1].

    ``seed`` decides the first masks and patterns and the order of the images.
    """
    config = config or NeuralCleanseConfig()
    count, (channels, height, width) = classifier.num_classes, classifier.input_shape
    generator = torch.Generator().manual_seed(seed)
    # Uniform in [0, 1] after the tanh, as the authors start.
    raw = [
        torch.rand(count, c, height, width, generator=generator).mul(2).sub(1).clamp(-0.999, 0.999)
        for c in (1, channels)
    ]
    leaves = [tensor.atanh().requires_grad_() for tensor in raw]
    adam = torch.optim.Adam(leaves, lr=config.learning_rate, betas=config.betas)
    cost = _Cost(config, torch.full((count,), config.cost))
    hits: deque[Tensor] = deque(maxlen=max(1, min(WINDOW, len(images) // config.batch)))
    best = _nothing_yet(leaves)
    for batch in _batches(images, config, generator):
        mask, pattern = (leaf.tanh().add(1).div(2) for leaf in leaves)
        loss, hit = _loss_and_hits(classifier, batch, mask, pattern)
        hits.append(hit)
        norm = mask.flatten(1).sum(1)
        if len(hits) == hits.maxlen:
            succeeded = torch.cat(list(hits), 1).float().mean(1) >= config.success
            found = Triggers(mask.detach(), pattern.detach(), norm.detach())
            best = _better(best, found, succeeded)
            cost.update(succeeded)
        adam.zero_grad()
        (loss + cost.value * norm).sum().backward()  # type: ignore[no-untyped-call]
        adam.step()
    return best


def procedural_images(classifier: Classifier, count: int) -> Tensor:
    """As many synthetic images (N, C, H, W) in place of clean images."""
    return pictures(count, classifier.input_shape, seed=0)


def scan_with_images(classifier: Classifier, images: Tensor) -> Scanned:
    """A scan like any other, with ``images`` (N, C, H, W) in [0, 1] of the model's task.

    The statistic is minus the norm, because higher is more suspicious.
    """
    images = images.to(classifier.dtype)
    start = time.perf_counter()
    triggers = neural_cleanse(classifier, images)
    outliers = judge(triggers)
    shown = triggers.mask * triggers.pattern
    logits = evaluate(classifier, shown).double()
    reached = triggers.norm.isfinite().tolist()
    return Scanned(
        path=None,
        sha256=None,
        detector=NAME,
        scores=ClassScores(
            name="minus_mask_norm",
            statistic=-triggers.norm.double(),
            status=tuple(Status.CONVERGED if r else Status.UNREACHABLE for r in reached),
            images=shown,
            probability=logits.softmax(1).diagonal(),
            logits=logits,
        ),
        verdict=conclude(Index(outliers.score, Level(THRESHOLD), Null("outliers")).rows(NAME)),
        config=asdict(NeuralCleanseConfig()),
        seconds=time.perf_counter() - start,
    )


def judge(triggers: Triggers) -> Outliers:
    """The published test: ``(median - norm) / (1.4826 MAD) > 2``, small norms only."""
    return OneSidedMAD(THRESHOLD)(-triggers.norm.double().numpy())


def _batches(
    images: Tensor, config: NeuralCleanseConfig, generator: torch.Generator
) -> Iterator[Tensor]:
    """``config.steps`` batches; every image comes once before any comes again."""
    order = torch.empty(0, dtype=torch.long)
    for _ in range(config.steps):
        if len(order) < config.batch:
            order = torch.randperm(len(images), generator=generator)
        yield images[order[: config.batch]]
        order = order[config.batch :]


def _loss_and_hits(
    classifier: Classifier, images: Tensor, mask: Tensor, pattern: Tensor
) -> tuple[Tensor, Tensor]:
    """Mean cross-entropy of every class (K,), and which of its stamped images obey, (K, N)."""
    count = len(mask)
    stamped = (1 - mask[:, None]) * images + mask[:, None] * pattern[:, None]
    target = torch.arange(count).repeat_interleave(len(images))
    logits = classifier.logits(stamped.flatten(0, 1))
    loss = functional.cross_entropy(logits, target, reduction="none").view(count, -1).mean(1)
    return loss, (logits.argmax(1) == target).view(count, -1)


def _nothing_yet(leaves: list[Tensor]) -> Triggers:
    mask, pattern = (torch.zeros_like(leaf, requires_grad=False) for leaf in leaves)
    return Triggers(mask, pattern, torch.full((len(mask),), torch.nan))


def _better(best: Triggers, found: Triggers, succeeded: Tensor) -> Triggers:
    """``best``, with the classes replaced whose ``found`` mask works and is smaller."""
    smaller = succeeded & ~(found.norm >= best.norm)
    rows = smaller.view(-1, 1, 1, 1)
    return Triggers(
        torch.where(rows, found.mask, best.mask),
        torch.where(rows, found.pattern, best.pattern),
        torch.where(smaller, found.norm, best.norm),
    )
