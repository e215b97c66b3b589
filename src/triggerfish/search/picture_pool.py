"""Pictures and what a classifier calls them; drawn for every step of a search anew."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from triggerfish.model.classifier import Classifier
from triggerfish.search.activation_maximization import evaluate

UNTARGETED = -1
"""The target of a change that moves pictures away from what they are called, to anything."""


@dataclass(frozen=True)
class PicturePool:
    """``images`` (N, C, H, W) in [0, 1] and the class that each is ``called`` (N,)."""

    images: Tensor
    called: Tensor

    @staticmethod
    def of(classifier: Classifier, images: Tensor) -> PicturePool:
        """The pool of ``images`` on the classifier's device."""
        images = images.to(classifier.device, classifier.dtype)
        return PicturePool(images, evaluate(classifier, images).argmax(1))

    def split(self, at: int) -> tuple[PicturePool, PicturePool]:
        """The first ``at`` pictures, and the others."""
        return (
            PicturePool(self.images[:at], self.called[:at]),
            PicturePool(self.images[at:], self.called[at:]),
        )

    def draw(self, target: Tensor, count: int, generator: torch.Generator) -> Tensor:
        """Indices (R, count) of pictures not called the row's own ``target`` (R,).

        Every called class is equally likely, however few pictures it has: what most procedural
        pictures are called does not decide what the search works on. One random order serves all
        rows (exponential races: the smallest of independent exponential times, each divided by its
        weight, is a weighted draw), so a row draws the same alone as in a batch. A class with fewer
        than ``count`` pictures of others gets some of its own.
        """
        crowd = torch.bincount(self.called)[self.called].cpu().double()
        time = torch.empty_like(crowd).exponential_(generator=generator) * crowd
        times = time.to(self.called.device).expand(len(target), -1)
        own = self.called == target.view(-1, 1)
        # Own pictures go last, in the same order: times are positive and far below this shift.
        return (times + own * 1e9).topk(count, dim=1, largest=False).indices

    def labels(self, target: Tensor, index: Tensor) -> Tensor:
        """Class (R, n) that each drawn picture is to reach, or to leave where untargeted."""
        column = target.view(-1, 1)
        return torch.where(column == UNTARGETED, self.called[index], column)


def reached(logits: Tensor, label: Tensor, target: Tensor) -> Tensor:
    """Whether pictures (R, n) ended where their row's ``target`` (R,) wants them, from logits.

    ``logits`` (R * n, K), ``label`` (R, n) as of `PicturePool.labels`.
    """
    same = logits.argmax(1).view(label.shape) == label
    return same != (target == UNTARGETED).view(-1, 1)


@torch.no_grad()
def success_rate(
    classifier: Classifier, pool: PicturePool, change: Tensor, target: Tensor
) -> Tensor:
    """Fraction (R,) of the pool's pictures that each change (R, C, H, W) takes to its target.

    Pictures already called the target do not count; NaN where none is left.
    """
    rates = []
    for delta, goal in zip(change, target, strict=True):
        logits = evaluate(classifier, (pool.images + delta).clamp_(0.0, 1.0))
        hit = reached(
            logits,
            pool.labels(goal.view(1), torch.arange(len(pool.called)).to(goal.device).view(1, -1)),
            goal.view(1),
        )
        rates.append(hit[0][pool.called != goal].double().mean())
    return torch.stack(rates)
