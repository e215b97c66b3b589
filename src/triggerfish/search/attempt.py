"""How changes do on pictures: what they turn, and where their objective rises."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from triggerfish.model.classifier import Classifier, log_odds
from triggerfish.search.activation_maximization import chunks
from triggerfish.search.picture_pool import UNTARGETED, PicturePool, reached


def attempt(
    classifier: Classifier,
    pool: PicturePool,
    index: Tensor,
    target: Tensor,
    change: Tensor,
    cap: float,
    rows_at_once: int,
) -> tuple[Tensor, Tensor]:
    """Success (R,) of the changes on pictures ``index`` (R, n), and the objective's gradient.

    The objective of a row is the mean over its pictures of the log-odds of its target, or of not
    being what the picture is called, capped; its gradient (R, P) is with respect to the change. No
    more than ``rows_at_once`` pictures pass the network together, those of one row included.
    """
    successes, gradients = [], []
    for rows in chunks(len(target), max(1, rows_at_once // index.shape[1])):
        goal, label = target[rows], pool.labels(target[rows], index[rows])
        sums = _Sums.none(change[rows])
        for drawn in chunks(index.shape[1], rows_at_once):
            images = pool.images[index[rows, drawn]]
            sums.add(classifier, images, change[rows], label[:, drawn], goal, cap)
        successes.append(sums.hits / index.shape[1])
        gradients.append(sums.gradient.flatten(1) / index.shape[1])
    return torch.cat(successes), torch.cat(gradients)


@dataclass
class _Sums:
    """Of some rows, over the pictures so far: ``hits`` (R,) and ``gradient`` (R, C, H, W)."""

    hits: Tensor
    gradient: Tensor

    @staticmethod
    def none(change: Tensor) -> _Sums:
        """Nothing yet, for changes (R, C, H, W)."""
        return _Sums(change.new_zeros(len(change)), torch.zeros_like(change))

    def add(
        self,
        classifier: Classifier,
        images: Tensor,
        change: Tensor,
        label: Tensor,
        goal: Tensor,
        cap: float,
    ) -> None:
        """Add the pictures ``images`` (R, n, C, H, W), with their ``label`` (R, n)."""
        sign = torch.where(goal == UNTARGETED, -1.0, 1.0).to(change.dtype).view(-1, 1)
        leaf = change.detach().requires_grad_()
        with torch.enable_grad():
            changed = (images + leaf.unsqueeze(1)).clamp(0.0, 1.0)
            logits = classifier.logits(changed.flatten(0, 1))
            value = sign * log_odds(logits, label.flatten()).view(label.shape)
            (gradient,) = torch.autograd.grad(value.clamp_max(cap).sum(), leaf)
        self.hits += reached(logits.detach(), label, goal).to(change.dtype).sum(1)
        self.gradient += gradient
