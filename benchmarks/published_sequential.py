"""The published search, one class and one image at a time, written straight from the formulas.

The yardstick of benchmarks/speed.py and the reference of tests/detectors/test_l1_weight.py: batch
size 1, ``torch.optim.Adam``, gradients of the weights computed and unused, 32 halvings, autograd's
own gradient of every penalty term. Nothing here is shared with the package's optimisation code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from triggerfish.model.classifier import Classifier


@dataclass
class Found:
    """Best weight of one class (0.0 when unreachable, as published), its image and probability."""

    weight: float
    image: Tensor
    probability: float
    passes: int


def synthesize(
    model: Callable[[Tensor], Tensor],
    start: Tensor,
    target: int,
    weight: float,
    *,
    objective: str = "logit",
    penalty: str = "abs",
    steps: int = 100,
    lr: float = 0.3,
    l2_weight: float = 0.0,
    tv_weight: float = 0.0,
) -> tuple[Tensor, float]:
    """One activation maximization (1, C, H, W) and the probability of the target at its end."""
    x = nn.Parameter(start.clone())
    optimizer = torch.optim.Adam([x], lr=lr)
    for _ in range(steps):
        optimizer.zero_grad()
        logits = model(x)
        score = {
            "logit": logits[0, target],
            "log-probability": logits.log_softmax(1)[0, target],
            "probability": logits.softmax(1)[0, target],
        }[objective]
        l1 = x.abs().sum() if penalty == "abs" else x.sum()
        loss = -score + weight * l1 + l2_weight * (x**2).mean()
        if tv_weight:
            down = (x[..., 1:, :] - x[..., :-1, :]).abs().mean()
            across = (x[..., :, 1:] - x[..., :, :-1]).abs().mean()
            loss = loss + tv_weight * (down + across)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        with torch.no_grad():
            x.clamp_(0.0, 1.0)
    with torch.no_grad():
        probability = model(x).softmax(1)[0, target].item()
    return x.detach(), probability


def search(
    model: Callable[[Tensor], Tensor],
    start: Tensor,
    target: int,
    *,
    target_prob: float = 0.9999,
    max_l1_weight: float = 2.0**18,
    halvings: int = 32,
    steps: int = 100,
    **settings: object,
) -> Found:
    """Bracket 1, 2, 4, ..., w = 0 when 1 fails, then bisection, for one class."""
    passes = 0

    def attempt(weight: float) -> tuple[bool, Tensor, float]:
        nonlocal passes
        passes += steps
        image, probability = synthesize(
            model,
            start,
            target,
            weight,
            steps=steps,
            **settings,  # type: ignore[arg-type]
        )
        return probability >= target_prob, image, probability

    low, high, best = 0.0, 1.0, None
    while high <= max_l1_weight:
        success, image, probability = attempt(high)
        if not success:
            break
        low, best, high = high, (image, probability), high * 2
    else:
        assert best is not None
        return Found(low, *best, passes)
    if best is None:
        success, image, probability = attempt(0.0)
        if not success:
            return Found(0.0, image, probability, passes)
        best = (image, probability)
    for _ in range(halvings):
        middle = (low + high) / 2
        success, image, probability = attempt(middle)
        if success:
            low, best = middle, (image, probability)
        else:
            high = middle
    return Found(low, *best, passes)


def search_all(classifier: Classifier) -> list[Found]:
    """`search` for every class from black; the weights' gradients are computed, as published."""
    network = classifier.model
    assert isinstance(network, nn.Module)
    black = torch.zeros(1, *classifier.input_shape, dtype=classifier.dtype)
    network.requires_grad_()
    try:
        return [search(classifier.logits, black, k) for k in range(classifier.num_classes)]
    finally:
        network.requires_grad_(requires_grad=False)
