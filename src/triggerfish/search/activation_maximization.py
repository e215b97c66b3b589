"""The inner loop: synthesize images by gradient steps inside the [0, 1] box.

`maximize` pays for what it adds, `largest_margins` does not: whole-image triggers (blended noise, a
blended picture) cost much in every basis, but raise the margin. That is in the spirit of MM-BD
(Wang et al., S&P 2024), with signed steps from procedural pictures.

Every (class, baseline, weight) is a row of one batch. The loss is a sum over rows, the network is
frozen and Adam works element by element, so a batch gives what separate runs would give, up to
floating-point noise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from triggerfish.errors import UnsupportedModelError, one_line
from triggerfish.model.classifier import Classifier, log_odds
from triggerfish.model.footprint import images_at_once
from triggerfish.model.memory import is_out_of_memory

ObjectiveName = Literal["logit", "log-probability", "probability", "log-odds"]
Objective = Callable[[Tensor, Tensor], Tensor]
EVALUATED_VALUES = 512 * 3 * 32 * 32
"""Values of images that are made together, before a network sees them."""
FIRST_STEP, LAST_STEP = 0.1, 0.01  # of the [0, 1] box


def _logit(logits: Tensor, target: Tensor) -> Tensor:
    return logits.gather(1, target.view(-1, 1)).squeeze(1)


OBJECTIVES: dict[ObjectiveName, Objective] = {
    "logit": _logit,
    "log-probability": lambda z, y: _logit(z.log_softmax(1), y),
    "probability": lambda z, y: _logit(z.softmax(1), y),
    "log-odds": log_odds,
}


def objective_and_gradient(
    classifier: Classifier, images: Tensor, target: Tensor, objective: Objective
) -> tuple[Tensor, Tensor]:
    """Objective (N,) of the rows' own target classes (N,), and its gradient (N, C, H, W).

    Raises `UnsupportedModelError` for a model that gradients cannot pass.
    """
    leaf = images.detach().requires_grad_()
    with torch.enable_grad():
        value = objective(classifier.logits(leaf), target)
        try:
            (gradient,) = torch.autograd.grad(value.sum(), leaf)
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            raise UnsupportedModelError(
                f"expected a differentiable model, got {one_line(error)}"
            ) from error
    return value.detach(), gradient


@torch.no_grad()
def evaluate(classifier: Classifier, images: Tensor, at_most: int | None = None) -> Tensor:
    """Logits (N, K) of images (N, C, H, W), in parts that fit (`images_at_once`), or smaller."""
    chunk = images_at_once(classifier)
    chunk = chunk if at_most is None else min(chunk, at_most)
    parts = [classifier.logits(images[rows]) for rows in chunks(len(images), chunk)]
    return torch.cat(parts)


class Adam:
    """Adam (Kingma and Ba 2015) for one tensor, in place; the arithmetic of ``torch.optim.Adam``.

    ``torch.optim`` reads gradients from leaves; here the gradient is given.
    """

    def __init__(
        self, like: Tensor, lr: float, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8
    ) -> None:
        self.lr, self.betas, self.eps, self.steps = lr, betas, eps, 0
        self.mean, self.square = torch.zeros_like(like), torch.zeros_like(like)

    def step_(self, x: Tensor, gradient: Tensor) -> None:
        """Move ``x`` against ``gradient``, in place."""
        self.steps += 1
        beta1, beta2 = self.betas
        self.mean.lerp_(gradient, 1 - beta1)
        self.square.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        scale1, scale2 = 1 - beta1**self.steps, 1 - beta2**self.steps
        denominator = self.square.sqrt().div_(scale2**0.5).add_(self.eps)
        x.addcdiv_(self.mean, denominator, value=-self.lr / scale1)


@dataclass(frozen=True)
class Penalty:
    """``l1_weight * ||x||_1 + l2_weight * mean(x^2) + tv_weight * TV(x)`` of each row.

    ``l1_weight`` has one value a row, (N,). ``form``: ``abs`` takes autograd's gradient of |x|,
    which is 0 at 0 (the published one); ``sum`` takes 1 everywhere, exact because x >= 0.
    TV is the mean absolute difference between neighbours, down plus across.
    """

    l1_weight: Tensor
    form: Literal["abs", "sum"] = "abs"
    l2_weight: float = 0.0
    tv_weight: float = 0.0

    def gradient(self, x: Tensor) -> Tensor:
        """Gradient (N, C, H, W) at images ``x``."""
        weight = self.l1_weight.view(-1, 1, 1, 1)
        gradient = weight * x.sign() if self.form == "abs" else weight.expand_as(x).clone()
        if self.l2_weight:
            gradient.add_(x, alpha=2 * self.l2_weight / x[0].numel())
        if self.tv_weight:
            gradient.add_(_total_variation_gradient(x), alpha=self.tv_weight)
        return gradient


def total_variation(x: Tensor) -> Tensor:
    """Anisotropic total variation (N,) of images: mean |down| + mean |across|."""
    down = (x[..., 1:, :] - x[..., :-1, :]).abs().flatten(1)
    across = (x[..., :, 1:] - x[..., :, :-1]).abs().flatten(1)
    return down.mean(1) + across.mean(1)


def _total_variation_gradient(x: Tensor) -> Tensor:
    leaf = x.detach().requires_grad_()
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(total_variation(leaf).sum(), leaf)
    return gradient


@torch.no_grad()
def maximize(
    classifier: Classifier,
    baseline: Tensor,
    target: Tensor,
    penalty: Penalty,
    *,
    objective: Objective,
    steps: int,
    lr: float,
) -> Tensor:
    """Activation maximization: images (N, C, H, W) after ``steps`` clamped Adam steps.

    Minimises ``-objective + penalty`` from ``baseline`` (N, C, H, W) for classes ``target`` (N,).
    """
    x = baseline.clone()
    adam = Adam(x, lr)
    for _ in range(steps):
        _, gradient = objective_and_gradient(classifier, x, target, objective)
        adam.step_(x, penalty.gradient(x) - gradient)
        x.clamp_(0.0, 1.0)
    return x


def margin(logits: Tensor, target: Tensor) -> Tensor:
    """``logit_y`` minus the largest other logit (N,), from logits (N, K) and classes (N,)."""
    column = target.view(-1, 1)
    others = logits.scatter(1, column, float("-inf"))
    return logits.gather(1, column).squeeze(1) - others.amax(1)


def largest_margins(
    classifier: Classifier, starts: Tensor, classes: Tensor, steps: int, rows_at_once: int
) -> Tensor:
    """Margins (M,) of ``classes`` (M,) after ``steps`` signed steps from ``starts`` (S, C, H, W).

    The largest over the starts counts; every class has the same starts. After a quarter and a half
    of the steps the better half of each class's starts goes on.
    """
    target = classes.to(starts.device).repeat_interleave(len(starts))
    x = starts.repeat(len(classes), 1, 1, 1)
    per_class = len(starts)
    for step in range(steps):
        width = FIRST_STEP * (LAST_STEP / FIRST_STEP) ** (step / max(steps - 1, 1))
        values = []
        for rows in chunks(len(target), rows_at_once):
            value, gradient = objective_and_gradient(classifier, x[rows], target[rows], margin)
            x[rows] = x[rows].add(gradient.sign(), alpha=width).clamp_(0.0, 1.0)
            values.append(value)
        if step + 1 in (steps // 4, steps // 2) and per_class > 1:
            left = (per_class + 1) // 2
            best = torch.cat(values).view(-1, per_class).topk(left, dim=1).indices
            first = torch.arange(len(classes), device=best.device).view(-1, 1) * per_class
            kept, per_class = (first + best).flatten(), left
            x, target = x[kept], target[kept]
    parts = [
        margin(evaluate(classifier, x[rows]), target[rows])
        for rows in chunks(len(target), rows_at_once)
    ]
    return torch.cat(parts).view(len(classes), per_class).amax(1)


def chunks(count: int, size: int) -> Iterator[slice]:
    """Slices of at most ``size`` rows that cover ``count`` rows."""
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))
