"""MM-BD (Wang et al., S&P 2024), for comparison: the largest margin a class can be driven to.

Per class, images from uniform noise climb ``logit_y - max other`` by plain gradient steps; the
statistic is the largest margin over the starts. The images are not kept in the box: the network
sees them clamped, as in the authors' recipe.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from triggerfish.detectors.base import Detector, setting
from triggerfish.model.classifier import Classifier
from triggerfish.results import ClassScores, Status
from triggerfish.search.activation_maximization import chunks, evaluate, margin
from triggerfish.search.batching import rows_that_fit
from triggerfish.statistics.outliers import GammaOrderStatistic, OutlierTest


@dataclass(frozen=True)
class MMBD(Detector):
    """The largest margin of every class, by gradient ascent; the defaults are the authors' values.

    Their test is at p < 0.05.

    Example:
        >>> import triggerfish as tf
        >>> scores = tf.MMBD(starts=2, steps=5)(classifier, seed=0)
        >>> scores.statistic.shape
        torch.Size([10])
    """

    name: ClassVar[str] = "mm-bd"
    summary: ClassVar[str] = "largest margin, Wang et al. 2024 (for comparison)"
    outlier_test: ClassVar[OutlierTest] = GammaOrderStatistic()

    starts: int = setting(30, "Images of uniform noise per class")
    steps: int = setting(300, "Gradient steps per search")
    lr: float = setting(1e-2, "Size of a gradient step", "pixel ranges")
    memory_mib: float = setting(512.0, "Memory that a batch may take", "MiB")

    def __post_init__(self) -> None:
        if not (self.starts >= 1 and self.steps >= 1 and self.lr > 0):
            raise ValueError(
                "expected starts, steps >= 1 and lr > 0, "
                f"got {self.starts}, {self.steps}, {self.lr}"
            )
        if not self.memory_mib > 0:
            raise ValueError(f"expected a memory budget > 0 MiB, got {self.memory_mib}")

    def __call__(self, classifier: Classifier, seed: int = 0) -> ClassScores:
        """Largest margin of every class; ``seed`` decides the starting images."""
        count = classifier.num_classes
        target = torch.arange(count, device=classifier.device).repeat_interleave(self.starts)
        generator = torch.Generator().manual_seed(seed)
        images, margins = [], []
        for rows in chunks(len(target), rows_that_fit(classifier, self.memory_mib)):
            start = torch.rand(len(target[rows]), *classifier.input_shape, generator=generator)
            x = _climb(
                classifier, start.to(classifier.device, classifier.dtype), target[rows], self
            )
            images.append(x)
            margins.append(margin(evaluate(classifier, x), target[rows]))
        best = torch.cat(margins).view(count, self.starts).max(dim=1)
        shape = (count, self.starts, *classifier.input_shape)
        kept = torch.cat(images).view(shape)[range(count), best.indices]
        logits = evaluate(classifier, kept).double().cpu()
        return ClassScores(
            name="max_margin",
            statistic=best.values.double().cpu(),
            status=(Status.CONVERGED,) * count,
            images=kept.cpu(),
            probability=logits.softmax(1).diagonal(),
            logits=logits,
        )


def _climb(classifier: Classifier, x: Tensor, target: Tensor, config: MMBD) -> Tensor:
    for _ in range(config.steps):
        leaf = x.requires_grad_()
        value = margin(classifier.logits(leaf.clamp(0.0, 1.0)), target)
        (gradient,) = torch.autograd.grad(value.sum(), leaf)
        x = leaf.detach().add(gradient, alpha=config.lr)
    return x.clamp_(0.0, 1.0)
