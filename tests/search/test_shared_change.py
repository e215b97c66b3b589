import pytest
import torch
from torch import nn
from trained import classifier

from triggerfish.model.classifier import Classifier
from triggerfish.search.minimum_norm import minimize_norm
from triggerfish.search.shared_change import NO_CHANGE, SCALE, apply_change, shared_change


def two_class_linear(slope: torch.Tensor) -> Classifier:
    """Log-odds of class 0 = slope . x, exactly: the other logit is 0."""
    layer = nn.Linear(len(slope), 2, bias=False)
    layer.weight.data = torch.stack([slope, torch.zeros_like(slope)])
    side = int(len(slope) ** 0.5)
    return Classifier(nn.Sequential(nn.Flatten(), layer), (1, side, side), dtype=slope.dtype)


def cheapest(slope: torch.Tensor, images: torch.Tensor, gain: float) -> float:
    """The least L1 norm of one change whose mean gain over ``images`` (E, P) is ``gain``.

    Each pixel gains less, step by step, as more of the images run into the box; so the steps of
    all pixels can be bought in the order of their gain, the best first.
    """
    steps = []
    for p, s in enumerate(slope.tolist()):
        room = sorted((1 - images[:, p] if s > 0 else images[:, p]).tolist())
        for i, (low, high) in enumerate(zip([0.0, *room], room, strict=False)):
            steps.append((abs(s) * (len(room) - i) / len(room), high - low))
    spent = 0.0
    for rate, length in sorted(steps, reverse=True):
        used = min(length, max(gain, 0.0) / rate)
        gain, spent = gain - rate * used, spent + used
    return spent


def smallest(slope: torch.Tensor, images: torch.Tensor, gain: float) -> float:
    """The norm that the search finds for a mean gain over ``images`` (E, 1, 8, 8)."""
    model = two_class_linear(slope)
    value = (images.flatten(1) @ slope).mean().item()
    start = torch.full((1, 1, 8, 8), NO_CHANGE, dtype=torch.float64)
    found = minimize_norm(shared_change(model, images), start, torch.tensor([0]), value + gain)
    return SCALE * found.norm.item()


def test_linear_log_odds_give_the_exact_minimum_norm():
    slope = torch.rand(64, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    images = torch.zeros(3, 1, 8, 8, dtype=torch.float64)
    expected = cheapest(slope, images.flatten(1), 5.0)
    assert smallest(slope, images, 5.0) == pytest.approx(expected, rel=1e-3)


def test_linear_log_odds_of_different_images_come_close_to_it():
    generator = torch.Generator().manual_seed(3)
    slope = torch.randn(64, generator=generator, dtype=torch.float64)
    images = torch.rand(3, 1, 8, 8, generator=generator, dtype=torch.float64)
    optimum = cheapest(slope, images.flatten(1), 5.0)
    # The linearisation does not see where an image runs into the box.
    assert optimum <= smallest(slope, images, 5.0) <= 1.15 * optimum


def test_no_change_is_the_mean_of_the_images_logits():
    model = classifier(backdoored=False)
    images = torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    start = torch.full((2, 1, 28, 28), NO_CHANGE)
    expected = model.logits(images).mean(0).expand(2, -1)
    torch.testing.assert_close(shared_change(model, images).logits(start), expected)


def test_changes_reach_from_black_to_white_and_stay_in_the_box():
    images = torch.tensor([0.0, 0.5, 1.0])
    for u, expected in ((1.0, [1.0, 1.0, 1.0]), (0.0, [0.0, 0.0, 0.0]), (0.6, [0.2, 0.7, 1.0])):
        torch.testing.assert_close(apply_change(images, torch.tensor(u)), torch.tensor(expected))
