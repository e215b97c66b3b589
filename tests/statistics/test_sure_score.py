"""The score on images that a network is sure of."""

import math

import pytest
import torch

from triggerfish.statistics.scores import (
    HEIGHT,
    PIXELS,
    above_the_others,
    everywhere_score,
    sure_score,
)

NONE = torch.full((5,), torch.nan)
ZERO = pytest.approx([0.0] * 5, abs=1e-6)


def test_the_others_make_the_median() -> None:
    found = above_the_others(torch.tensor([1.0, 8.0]))
    assert found.tolist() == pytest.approx([math.log(8), -math.log(8)])


def test_classes_that_were_not_reached_do_not_count() -> None:
    found = above_the_others(torch.tensor([2.0, math.nan, 6.0, math.nan]))
    assert found[0] == pytest.approx(math.log(3))
    assert found[1].isnan()
    assert above_the_others(torch.tensor([2.0, math.nan])).isnan().all()


@pytest.mark.parametrize(("channels", "side"), [(1, 32), (3, 32), (3, 64)])
def test_equal_classes_of_ordinary_size_score_nothing(channels: int, side: int) -> None:
    sizes = torch.full((5,), PIXELS * channels * side / 32)
    assert sure_score(sizes, NONE, (channels, side, side)).tolist() == pytest.approx(
        [0.0] * 5, abs=1e-6
    )
    waves = torch.full((5,), HEIGHT * math.sqrt(channels) * side)
    assert sure_score(NONE, waves, (channels, side, side)).tolist() == pytest.approx(
        [0.0] * 5, abs=1e-6
    )


def test_a_small_class_and_a_low_wave_stand_out() -> None:
    pixel = torch.tensor([40.0, 4.0, 40.0, 40.0, 40.0])
    frequency = torch.tensor([20.0, 20.0, 20.0, 2.0, 20.0])
    score = sure_score(pixel, frequency, (3, 32, 32))
    assert set(score.topk(2).indices.tolist()) == {1, 3}
    assert score[0] < 0.5
    assert score[1] > 2


def test_what_no_basis_reached_is_not_measured() -> None:
    assert sure_score(NONE, NONE, (3, 32, 32)).isnan().all()


def test_everywhere_is_small_beside_the_classes_and_in_itself() -> None:
    pixel = torch.full((6,), 30.0)
    high = everywhere_score(pixel, 6.0, (3, 32, 32))
    low = everywhere_score(pixel, 30.0, (3, 32, 32))
    assert high is not None
    assert low == pytest.approx(0.0, abs=1e-6)
    assert high == pytest.approx(1.5 * math.log(5), abs=1e-6)
    assert everywhere_score(pixel, math.nan, (3, 32, 32)) is None
    assert everywhere_score(NONE, 3.0, (3, 32, 32)) is None
