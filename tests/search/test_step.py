import pytest
import torch

from triggerfish.search.step import best_within_budget, toward_slope


def step(change, slope, budget, half_width, bound=1.0):
    rows = [torch.tensor([v], dtype=torch.float64) for v in (budget, half_width, bound)]
    return best_within_budget(change.view(1, -1), slope.view(1, -1), *rows)[0]


def test_from_nothing_the_steepest_pixels_get_the_budget():
    slope = torch.tensor([0.1, -3.0, 2.0, 0.0, 1.0], dtype=torch.float64)
    z = step(torch.zeros(5, dtype=torch.float64), slope, 2.5, 1.0)
    assert z.tolist() == [0.0, -1.0, 1.0, 0.0, 0.5]


def test_is_optimal_among_random_feasible_points():
    generator = torch.Generator().manual_seed(0)
    change, slope = (torch.rand(10, generator=generator).double() - 0.5 for _ in range(2))
    budget, half = change.abs().sum().item(), 0.3
    z = step(change, slope, budget, half, 0.6)
    assert z.abs().sum() <= budget + 1e-12
    assert ((z - change).abs() <= half + 1e-12).all()
    assert (z.abs() <= 0.6 + 1e-12).all()
    spread = (torch.rand(200_000, 10, generator=generator).double() - 0.5) * 2 * half
    others = (change + spread).clamp(-0.6, 0.6)
    feasible = others[others.abs().sum(1) <= budget]
    assert len(feasible) > 1000
    assert (feasible @ slope).max() <= z @ slope


def test_a_smaller_budget_shrinks_the_change_as_far_as_the_trust_region_allows():
    change = torch.tensor([0.9, -0.6], dtype=torch.float64)
    z = step(change, torch.tensor([1.0, -1.0], dtype=torch.float64), 0.1, 0.25)
    assert z.tolist() == pytest.approx([0.65, -0.35])


def test_a_value_against_its_slope_turns_round_through_zero():
    z = step(torch.tensor([-0.2]).double(), torch.tensor([1.0]).double(), 5.0, 0.5)
    assert z.item() == pytest.approx(0.3)


def test_in_l2_a_step_turns_towards_the_slope_at_its_budget() -> None:
    now = torch.tensor([[3.0, 0.0], [0.0, 0.0]])
    slope = torch.tensor([[0.0, 5.0], [1.0, 0.0]])
    budget = torch.tensor([2.0, 0.5])
    all_of_it = toward_slope(now, slope, budget, 1.0)
    torch.testing.assert_close(all_of_it, torch.tensor([[0.0, 2.0], [0.5, 0.0]]))
    half = toward_slope(now, slope, budget, 0.5)
    torch.testing.assert_close(half[0], torch.full((2,), 2.0**0.5))
    torch.testing.assert_close(half.norm(dim=1), budget)
