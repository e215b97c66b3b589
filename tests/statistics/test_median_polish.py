import pytest
import torch

from triggerfish.statistics.scores import largest_into, median_polish

NAN = float("nan")


def additive(count: int) -> torch.Tensor:
    """Row plus column effects, NaN on the diagonal."""
    generator = torch.Generator().manual_seed(2)
    row = torch.randn(count, 1, generator=generator, dtype=torch.float64)
    column = torch.randn(1, count, generator=generator, dtype=torch.float64)
    return (row + column).fill_diagonal_(NAN)


def test_row_and_column_effects_vanish_and_a_cell_that_stands_out_stays():
    values = additive(7)
    values[2, 5] += 3.0
    expected = torch.zeros(7, 7, dtype=torch.float64).fill_diagonal_(NAN)
    expected[2, 5] = 3.0
    torch.testing.assert_close(median_polish(values), expected, equal_nan=True, atol=1e-9, rtol=0)


def test_one_attacked_cell_in_every_row_and_column_stays():
    values = additive(10)
    attacked = torch.eye(10, dtype=torch.bool).roll(1, dims=1)
    values[attacked] += 1.5
    residual = median_polish(values)
    torch.testing.assert_close(residual[attacked], torch.full((10,), 1.5, dtype=torch.float64))
    rest = residual[~attacked]
    assert rest[rest.isfinite()].abs().max() < 1e-9


def test_what_was_not_measured_stays_so_and_moves_nothing():
    values = additive(6)
    values[3] = NAN
    values[0, 1] += 2.0
    residual = median_polish(values)
    assert residual[3].isnan().all()
    assert residual[0, 1].item() == pytest.approx(2.0)


def test_the_largest_of_each_column():
    values, rows = largest_into(torch.tensor([[NAN, 1.0, NAN], [0.5, NAN, NAN], [2.0, 3.0, NAN]]))
    torch.testing.assert_close(values, torch.tensor([2.0, 3.0, NAN]), equal_nan=True)
    assert rows[:2].tolist() == [2, 2]
