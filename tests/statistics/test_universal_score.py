"""The formula of the universal score, by hand."""

import math

import pytest
import torch

from triggerfish.statistics.scores import (
    log_ratios,
    margin_score,
    universal_score,
)

ALL = torch.ones(6, dtype=torch.bool)
EVEN = torch.full((6,), 2.0, dtype=torch.float64)


def vector(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_log_ratios_are_against_the_median_of_what_was_reached():
    size = vector(1, 4, 4, 4, 8, math.nan)
    found = log_ratios(size, ALL)
    torch.testing.assert_close(found[:5], vector(math.log(4), 0, 0, 0, -math.log(2)))
    assert found[5].isnan()


def test_two_classes_within_reach_say_nothing():
    assert log_ratios(vector(1, 2, *[math.nan] * 4), ALL).isnan().all()


def test_margins_are_floored_and_mean_nothing_where_half_of_the_classes_win_nowhere():
    torch.testing.assert_close(
        margin_score(vector(2, 2, 2, 2, 4, -9), ALL),
        vector(0, 0, 0, 0, math.log(2), math.log(0.05)),
    )
    assert not margin_score(vector(-1, -1, -1, -1, 5, 5), ALL).any()


def test_pixels_with_the_margin_or_cosines_without():
    pixel = vector(1.5, 0.2, 0.5, 0, math.nan, math.nan)
    frequency = vector(0.2, 2.0, 0.7, 0, 1.0, math.nan)
    margin = vector(2, 2, 2 * math.e, 2, 2, 2)
    found = universal_score(pixel, frequency, margin, ALL)
    torch.testing.assert_close(found[:5], vector(1.5, 2.0, 1.0, 0.0, 1.0))
    assert found[5].isnan()


def test_a_margin_counts_up_to_a_limit():
    margin = EVEN.clone()
    margin[0] = 2e6
    found = universal_score(torch.zeros(6).double(), torch.zeros(6).double(), margin, ALL)
    assert found[0] == pytest.approx(0.5)
