import pytest
import torch
from torch import nn

from triggerfish.model.classifier import Classifier
from triggerfish.search.activation_maximization import (
    OBJECTIVES,
    Adam,
    Penalty,
    maximize,
    objective_and_gradient,
    total_variation,
)


def linear(weights: torch.Tensor) -> Classifier:
    """Logits = weights (K, P) times the flat image."""
    layer = nn.Linear(weights.shape[1], len(weights), bias=False)
    layer.weight.data = weights
    side = int(weights.shape[1] ** 0.5)
    return Classifier(nn.Sequential(nn.Flatten(), layer), (1, side, side), dtype=weights.dtype)


@pytest.fixture
def weights():
    return torch.randn(3, 36, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def optimum(weights: torch.Tensor, l1_weight: float) -> torch.Tensor:
    return (weights > l1_weight).double()


@pytest.mark.parametrize("l1_weight", [0.0, 0.3, 1.0])
def test_linear_logits_reach_the_closed_form_optimum(weights, l1_weight):
    model, rows = linear(weights), torch.arange(3)
    penalty = Penalty(torch.full((3,), l1_weight, dtype=torch.float64), "sum")
    images = maximize(
        model, torch.zeros(3, 1, 6, 6).double(), rows, penalty,
        objective=OBJECTIVES["logit"], steps=100, lr=0.3,
    )  # fmt: skip
    assert torch.equal(images.flatten(1), optimum(weights, l1_weight))


def test_autograd_kink_leaves_pixels_that_the_sum_penalty_clears(weights):
    # |x| has gradient 0 at 0: from black, a pixel with 0 < g < w is pushed up, then back, forever.
    model, rows = linear(weights), torch.arange(3)
    images = {
        form: maximize(
            model, torch.zeros(3, 1, 6, 6).double(), rows,
            Penalty(torch.full((3,), 1.0, dtype=torch.float64), form),
            objective=OBJECTIVES["logit"], steps=99, lr=0.3,
        ).flatten(1)
        for form in ("abs", "sum")
    }  # fmt: skip
    wrong = images["abs"] != optimum(weights, 1.0)
    assert wrong.any()
    assert torch.equal(images["sum"], optimum(weights, 1.0))


def test_adam_matches_torch():
    torch.manual_seed(0)
    ours, theirs = torch.zeros(4, 5), nn.Parameter(torch.zeros(4, 5))
    adam, reference = Adam(ours, 0.3), torch.optim.Adam([theirs], lr=0.3)
    for _ in range(20):
        gradient = torch.randn(4, 5)
        theirs.grad = gradient.clone()
        reference.step()
        adam.step_(ours, gradient)
    torch.testing.assert_close(ours, theirs.detach(), rtol=1e-5, atol=1e-6)


def test_penalty_gradient_is_autograds():
    x = torch.rand(2, 1, 5, 5, dtype=torch.float64).requires_grad_()
    weight = torch.tensor([0.5, 2.0], dtype=torch.float64)
    loss = (
        (weight * x.abs().flatten(1).sum(1)).sum()
        + 0.7 * (x**2).flatten(1).mean(1).sum()
        + 0.3 * total_variation(x).sum()
    )
    (expected,) = torch.autograd.grad(loss, x)
    actual = Penalty(weight, "abs", l2_weight=0.7, tv_weight=0.3).gradient(x.detach())
    torch.testing.assert_close(actual, expected)


@pytest.mark.parametrize("name", ["log-odds", "log-probability", "probability"])
def test_a_constant_added_to_all_logits_changes_nothing(weights, name):
    x = torch.rand(3, 1, 6, 6, dtype=torch.float64)
    plain, shifted = (
        linear(weights),
        Classifier(lambda x: x.flatten(1) @ weights.T + 5.0, (1, 6, 6), dtype=torch.float64),
    )
    for a, b in zip(
        objective_and_gradient(plain, x, torch.arange(3), OBJECTIVES[name]),
        objective_and_gradient(shifted, x, torch.arange(3), OBJECTIVES[name]),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


def test_log_odds_is_the_probabilitys_logit(weights):
    x = torch.rand(3, 1, 6, 6, dtype=torch.float64)
    model, rows = linear(weights), torch.arange(3)
    p = model.logits(x).softmax(1)[rows, rows]
    value, _ = objective_and_gradient(model, x, rows, OBJECTIVES["log-odds"])
    torch.testing.assert_close(value, torch.logit(p))
