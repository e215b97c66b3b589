"""How perturbations do on pictures: what they turn, and where their objective rises."""

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
    perturbation: Tensor,
    cap: float,
    rows_at_once: int,
) -> tuple[Tensor, Tensor]:
    """Success (R,) of the perturbations on pictures ``index`` (R, n), and the objective's gradient.

    The objective of a row is the mean over its pictures of the log-odds of its target, or of not
    being the predicted class, capped; its gradient (R, P) is with respect to the perturbation. No
    more than ``rows_at_once`` pictures pass the network together, those of one row included.
    """
    successes, gradients = [], []
    for rows in chunks(len(target), max(1, rows_at_once // index.shape[1])):
        goal, label = target[rows], pool.labels(target[rows], index[rows])
        sums = _Sums.none(perturbation[rows])
        for drawn in chunks(index.shape[1], rows_at_once):
            images = pool.images[index[rows, drawn]]
            sums.add(classifier, images, perturbation[rows], label[:, drawn], goal, cap)
        successes.append(sums.hits / index.shape[1])
        gradients.append(sums.gradient.flatten(1) / index.shape[1])
    return torch.cat(successes), torch.cat(gradients)


@dataclass
class _Sums:
    """Of some rows, over the pictures so far: ``hits`` (R,) and ``gradient`` (R, C, H, W)."""

    hits: Tensor
    gradient: Tensor

    @staticmethod
    def none(perturbation: Tensor) -> _Sums:
        """Nothing yet, for perturbations (R, C, H, W)."""
        return _Sums(perturbation.new_zeros(len(perturbation)), torch.zeros_like(perturbation))

    def add(
        self,
        classifier: Classifier,
        images: Tensor,
        perturbation: Tensor,
        label: Tensor,
        goal: Tensor,
        cap: float,
    ) -> None:
        """Add the pictures ``images`` (R, n, C, H, W), with their ``label`` (R, n)."""
        sign = torch.where(goal == UNTARGETED, -1.0, 1.0).to(perturbation.dtype).view(-1, 1)
        leaf = perturbation.detach().requires_grad_()
        with torch.enable_grad():
            changed = (images + leaf.unsqueeze(1)).clamp(0.0, 1.0)
            logits = classifier.logits(changed.flatten(0, 1))
            value = sign * log_odds(logits, label.flatten()).view(label.shape)
            (gradient,) = torch.autograd.grad(value.clamp_max(cap).sum(), leaf)
        self.hits += reached(logits.detach(), label, goal).to(perturbation.dtype).sum(1)
        self.gradient += gradient
