import pytest
import torch
from torch import nn
from trained import TARGET, classifier

from triggerfish.model.classifier import Classifier
from triggerfish.search.activation_maximization import OBJECTIVES, objective_and_gradient
from triggerfish.search.minimum_norm import Schedule, linear_program, minimize_norm


def two_class_linear(slope: torch.Tensor) -> Classifier:
    """Log-odds of class 0 = slope . x, exactly: the other logit is 0."""
    layer = nn.Linear(len(slope), 2, bias=False)
    layer.weight.data = torch.stack([slope, torch.zeros_like(slope)])
    side = int(len(slope) ** 0.5)
    return Classifier(nn.Sequential(nn.Flatten(), layer), (1, side, side), dtype=slope.dtype)


def knapsack(slope: torch.Tensor, baseline: torch.Tensor, gain: float) -> float:
    """The least L1 change by the greedy rule, in plain Python: steepest pixel first."""
    spent = 0.0
    for i in slope.abs().argsort(descending=True).tolist():
        room = (1 - baseline[i] if slope[i] > 0 else baseline[i]).item()
        used = min(room, max(gain, 0.0) / abs(slope[i].item()))
        gain, spent = gain - used * abs(slope[i].item()), spent + used
    return spent


@pytest.mark.parametrize("level", [0.0, 0.3, 1.0])
def test_linear_log_odds_give_the_exact_minimum_norm(level):
    slope = torch.randn(64, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    model, baseline = two_class_linear(slope), torch.full((1, 1, 8, 8), level).double()
    c = (slope.clamp_min(0).sum() * 0.6).item()
    found = minimize_norm(model, baseline, torch.tensor([0]), c, Schedule(steps=30))
    expected = knapsack(slope, baseline.flatten(), c - (slope.sum() * level).item())
    assert found.norm.item() == pytest.approx(expected, rel=1e-3)


def test_one_linear_program_is_optimal_among_random_feasible_points():
    torch.manual_seed(0)
    x, b, slope = (torch.rand(1, 12, dtype=torch.float64) for _ in range(3))
    slope = slope - 0.5
    z = linear_program(x, b, slope, torch.tensor([0.2], dtype=torch.float64), 0.25)
    assert (slope * (z - x)).sum() >= 0.2 - 1e-12
    assert ((z - x).abs() <= 0.25 + 1e-12).all()
    others = (x + (torch.rand(200_000, 12) - 0.5) * 0.5).clamp(0, 1)
    feasible = others[((others - x) * slope).sum(1) >= 0.2]
    assert len(feasible) > 1000
    assert (feasible - b).abs().sum(1).min() >= (z - b).abs().sum()


def test_unreachable_class_has_an_infinite_norm():
    model = two_class_linear(torch.full((16,), 0.1))
    found = minimize_norm(model, torch.zeros(1, 1, 4, 4), torch.tensor([0]), 9.21, Schedule(10))
    assert found.norm.isinf().all()
    assert found.first_reached.item() == -1


def test_baseline_that_already_is_the_class_costs_nothing():
    model = two_class_linear(torch.full((16,), 1.0))
    found = minimize_norm(model, torch.ones(1, 1, 4, 4), torch.tensor([0]), 9.21)
    assert found.norm.item() == 0
    assert found.first_reached.item() == 0


def test_found_images_keep_what_they_claim():
    model = classifier(backdoored=True)
    target = torch.arange(10)
    baseline = torch.full((10, 1, 28, 28), 0.3)
    found = minimize_norm(model, baseline, target, 9.21)
    assert found.norm.isfinite().all()
    assert ((found.images >= 0) & (found.images <= 1)).all()
    torch.testing.assert_close((found.images - baseline).abs().flatten(1).sum(1), found.norm)
    value, _ = objective_and_gradient(model, found.images, target, OBJECTIVES["log-odds"])
    assert (value >= 9.21 - 1e-3).all()
    assert found.norm.argmin() == TARGET


def test_more_steps_hardly_lower_the_norms():
    model, target = classifier(backdoored=False), torch.arange(10)
    baseline = torch.zeros(10, 1, 28, 28)
    short = minimize_norm(model, baseline, target, 9.21).norm
    long = minimize_norm(model, baseline, target, 9.21, Schedule(steps=200)).norm
    assert (short.log() - long.log()).abs().median() < 0.15


def test_changes_are_measured_against_the_baseline_wherever_the_search_starts():
    slope = torch.randn(64, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    model, baseline = two_class_linear(slope), torch.full((1, 1, 8, 8), 0.3).double()
    start = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    c, target = (slope.clamp_min(0).sum() * 0.6).item(), torch.tensor([0])
    there = minimize_norm(model, baseline, target, c)
    elsewhere = minimize_norm(model, baseline, target, c, start=start)
    assert elsewhere.norm.item() == pytest.approx(there.norm.item(), rel=1e-3)


def test_the_better_of_two_searches_row_by_row():
    model, target = classifier(backdoored=False), torch.arange(10)
    black = torch.zeros(10, 1, 28, 28)
    first = minimize_norm(model, black, target, 9.21, Schedule(steps=8))
    second = minimize_norm(model, black, target, 9.21, Schedule(steps=8), black + 0.1)
    best = first.or_better(second)
    assert torch.equal(best.norm, torch.minimum(first.norm, second.norm))
    torch.testing.assert_close((best.images - black).abs().flatten(1).sum(1), best.norm)


def test_one_class_alone_a_few_and_all_together_give_the_same():
    model = classifier(backdoored=True, dtype=torch.float64)
    baseline = torch.full((10, 1, 28, 28), 0.3, dtype=torch.float64)
    target, schedule = torch.arange(10), Schedule(steps=10)
    together = minimize_norm(model, baseline, target, 9.21, schedule)
    for rows in (slice(3, 4), slice(4, 9)):
        alone = minimize_norm(model, baseline[rows], target[rows], 9.21, schedule)
        torch.testing.assert_close(alone.norm, together.norm[rows])
        torch.testing.assert_close(alone.images, together.images[rows])


def test_what_no_gradient_moves_is_given_up_after_one_pass():
    """On a network that answers the same to everything; one that is too weak is tried longer."""
    slope = torch.zeros(16)
    schedule = Schedule(10, rounds=3)
    found = minimize_norm(
        two_class_linear(slope), torch.zeros(1, 1, 4, 4), torch.tensor([0]), 9.21, schedule
    )
    assert found.steps.item() == schedule.steps + 1
    assert found.norm.isinf().all()
    weak = two_class_linear(torch.full((16,), 0.1))
    tried = minimize_norm(weak, torch.zeros(1, 1, 4, 4), torch.tensor([0]), 9.21, schedule)
    assert tried.steps.item() > schedule.steps + 1
