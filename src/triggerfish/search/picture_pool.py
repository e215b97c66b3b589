"""Pictures and their predicted classes; drawn for every step of a search anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from triggerfish.model.classifier import Classifier
from triggerfish.model.memory import give_back_freed_memory
from triggerfish.search.activation_maximization import evaluate

FAR = 0.5
"""Pictures as far from a class as this fraction of all (picture, class) pairs are drawn for it."""
LARGE = 2**23  # values of images from which memory counts more than the time to fault it in again
LEAST = 6  # a class is drawn from a sixth of the pictures at least, the farthest
UNTARGETED = -1
"""The target of a perturbation that moves pictures away from their predicted class, to any."""


@dataclass(frozen=True)
class PicturePool:
    """``images`` (N, C, H, W) in [0, 1], their ``predicted`` classes (N,), and ``near``.

    ``near`` (N, K) marks classes that a picture is near: more likely there than the median class of
    the median picture. A class that likes any texture is near most of them, and a perturbation that
    needs to win the near ones only is small without any trigger; a trigger works on the far ones.
    ``part`` (N,) labels pictures where some rows of a search draw from some of them only.
    """

    images: Tensor
    predicted: Tensor
    near: Tensor
    part: Tensor | None = None

    @staticmethod
    def of(classifier: Classifier, images: Tensor) -> PicturePool:
        """The pool of ``images`` on the classifier's device."""
        images = images.to(classifier.device, classifier.dtype)
        if images.numel() > LARGE:  # making them took several times as much as they take
            give_back_freed_memory()
        likely = evaluate(classifier, images).log_softmax(1)
        # numpy's median: torch's quantile refuses tensors of more than 16 million values.
        level = float(np.quantile(likely.cpu().numpy(), FAR))
        least = likely.kthvalue(max(1, len(images) // LEAST), dim=0).values
        if images.numel() > LARGE:  # blocks of this size are of no use to the steps that follow
            give_back_freed_memory()
        return PicturePool(images, likely.argmax(1), likely > least.clamp_min(level))

    def split(self, at: int) -> tuple[PicturePool, PicturePool]:
        """The first ``at`` pictures, and the others."""
        return (
            PicturePool(self.images[:at], self.predicted[:at], self.near[:at]),
            PicturePool(self.images[at:], self.predicted[at:], self.near[at:]),
        )

    def predicted_as(self, label: int, most: int) -> PicturePool:
        """The first ``most`` pictures of class ``label``; fewer where there are fewer."""
        index = (self.predicted == label).nonzero().flatten()[:most]
        return PicturePool(self.images[index], self.predicted[index], self.near[index])

    @staticmethod
    def joined(pools: Sequence[PicturePool]) -> PicturePool:
        """One pool of several, the number of each as the ``part`` of its pictures."""
        numbers = [torch.full_like(one.predicted, n) for n, one in enumerate(pools)]
        return PicturePool(
            torch.cat([one.images for one in pools]),
            torch.cat([one.predicted for one in pools]),
            torch.cat([one.near for one in pools]),
            torch.cat(numbers),
        )

    def by_class(self, most: int, sources: Tensor) -> PicturePool:
        """The first ``most`` pictures of each class of ``sources`` (S,), which is their part."""
        index = [(self.predicted == k).nonzero().flatten()[:most] for k in sources.tolist()]
        chosen = torch.cat([*index, self.predicted.new_zeros(0)])
        predicted = self.predicted[chosen]
        return PicturePool(self.images[chosen], predicted, self.near[chosen], predicted)

    def draw(
        self,
        target: Tensor,
        count: int,
        generator: torch.Generator,
        part: Tensor | None = None,
    ) -> Tensor:
        """Indices (R, count) of pictures far from the row's own ``target`` (R,), of its ``part``.

        Every predicted class is equally likely, however few pictures it has: the class of most
        synthetic images does not decide what the search works on. One random order serves all
        rows (exponential races: the smallest of independent exponential times, each divided by its
        weight, is a weighted draw), so a row draws the same alone as in a batch. A class with fewer
        than ``count`` far pictures gets near ones, at last some of its own.
        """
        time = torch.empty_like(self._crowd).exponential_(generator=generator) * self._crowd
        times = time.to(self.predicted.device).expand(len(target), -1)
        own = self.predicted == target.view(-1, 1)
        near = self.near[:, target.clamp_min(0)].t() & (target != UNTARGETED).view(-1, 1)
        # They go last, in the same order: times are positive and far below this shift.
        times = times + (near.to(times.dtype) + own) * 1e9
        if part is not None and self.part is not None:
            times = times.masked_fill(self.part != part.view(-1, 1), torch.inf)
        return times.topk(count, dim=1, largest=False).indices

    @cached_property
    def _crowd(self) -> Tensor:
        """How many pictures have each one's class (N,), on the CPU, where the order is drawn.

        It is kept, so that no step waits for a GPU to tell.
        """
        alike = (
            self.predicted if self.part is None else self.predicted + self.part * self.near.shape[1]
        )
        return torch.bincount(alike)[alike].cpu().double()

    def labels(self, target: Tensor, index: Tensor) -> Tensor:
        """Class (R, n) that each drawn picture is to reach, or to leave where untargeted."""
        column = target.view(-1, 1)
        return torch.where(column == UNTARGETED, self.predicted[index], column)


def reached(logits: Tensor, label: Tensor, target: Tensor) -> Tensor:
    """Whether pictures (R, n) ended where their row's ``target`` (R,) wants them, from logits.

    ``logits`` (R * n, K), ``label`` (R, n) as of `PicturePool.labels`.
    """
    same = logits.argmax(1).view(label.shape) == label
    return same != (target == UNTARGETED).view(-1, 1)


@torch.no_grad()
def success_rate(
    classifier: Classifier, pool: PicturePool, perturbation: Tensor, target: Tensor
) -> Tensor:
    """Fraction (R,) of the pool's pictures that each perturbation (R, C, H, W) takes to its target.

    Pictures that are the target already do not count; NaN where none is left.
    """
    rates = []
    for delta, goal in zip(perturbation, target, strict=True):
        logits = evaluate(classifier, (pool.images + delta).clamp_(0.0, 1.0))
        hit = reached(
            logits,
            pool.labels(
                goal.view(1), torch.arange(len(pool.predicted)).to(goal.device).view(1, -1)
            ),
            goal.view(1),
        )
        rates.append(hit[0][pool.predicted != goal].double().mean())
    return torch.stack(rates)
