import pytest
import torch

from triggerfish.confirmation.trials import likeness
from triggerfish.search.frequency import cosine_basis

BASIS = cosine_basis((1, 16, 16), 0.5, torch.device("cpu"), torch.float32)


def dot(row: int, column: int, value: float = 1.0) -> torch.Tensor:
    perturbation = torch.zeros(1, 16, 16)
    perturbation[0, row, column] = value
    return perturbation


def wave(k: int) -> torch.Tensor:
    coefficients = torch.zeros(1, 1, 16, 16)
    coefficients[0, 0, 0, k] = 1.0
    return BASIS.synthesize(coefficients)[0]


def test_the_same_place_is_alike_whatever_the_sign_and_size():
    assert likeness(torch.stack([dot(5, 5), dot(5, 5, -0.3)]), None) == pytest.approx(1)


def test_far_places_are_not_alike_and_neighbors_nearly():
    assert likeness(torch.stack([dot(2, 2), dot(12, 12)]), None) == 0
    # The blur (1, 4, 6, 4, 1) against itself a pixel on: 56 of 70.
    assert likeness(torch.stack([dot(8, 8), dot(8, 9)]), None) == pytest.approx(0.8)


def test_the_best_pair_counts():
    assert likeness(torch.stack([dot(2, 2), dot(12, 12), dot(2, 2)]), None) == pytest.approx(1)


def test_waves_are_compared_by_frequency():
    assert likeness(torch.stack([wave(2), -wave(2)]), BASIS) == pytest.approx(1)
    assert likeness(torch.stack([wave(1), wave(7)]), BASIS) == pytest.approx(0, abs=1e-5)


def test_nothing_is_alike_to_nothing():
    assert likeness(torch.zeros(3, 1, 16, 16), None) == 0
