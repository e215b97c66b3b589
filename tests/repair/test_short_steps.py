from itertools import pairwise

import pytest
import torch
from torch import Tensor

from triggerfish.repairs.short_steps import ShortSteps


def plainly(gradient: Tensor) -> Tensor:
    return gradient


def test_the_length_of_a_step_is_that_of_no_gradient():
    far, near = torch.zeros(2), torch.zeros(1)
    steps = ShortSteps([(far, plainly), (near, plainly)], 0.1, 4)
    steps.step((torch.tensor([300.0, 0.0]), torch.tensor([400.0])))
    # Twice the mean length at first, along (3, 0, 4) / 5.
    assert far.tolist() == pytest.approx([-0.12, 0.0])
    assert near.tolist() == pytest.approx([-0.16])


def test_steps_get_shorter_down_to_nothing():
    place, gradient = torch.zeros(1), torch.ones(1)
    steps, places = ShortSteps([(place, plainly)], 0.1, 4), [0.0]
    for _ in range(4):
        steps.step((gradient,))
        places.append(float(place))
    taken = [before - after for before, after in pairwise(places)]
    assert taken == pytest.approx([0.2, 0.15, 0.1, 0.05])


def test_the_length_is_that_in_whitened_coordinates():
    """W = V R with R = diag(2, 1): a step of V of one length, as the plain weight sees it."""
    place = torch.zeros(2)
    steps = ShortSteps([(place, lambda g: g * torch.tensor([4.0, 1.0]))], 0.5, 4)
    steps.step((torch.tensor([3.0, 8.0]),))
    # In V the gradient is (6, 8): a step of 1 along (0.6, 0.8), which R makes (1.2, 0.8).
    assert place.tolist() == pytest.approx([-1.2, -0.8])


def test_past_gradients_count():
    place = torch.zeros(2)
    steps = ShortSteps([(place, plainly)], 1.0, 10)
    steps.step((torch.tensor([1.0, 0.0]),))
    steps.step((torch.tensor([0.0, 0.9]),))  # as much as the first, a step ago
    assert float(place[1]) == pytest.approx(-1.8 / 2**0.5)


def test_no_gradient_no_step():
    place = torch.ones(3)
    ShortSteps([(place, plainly)], 1.0, 5).step((torch.zeros(3),))
    assert place.tolist() == [1, 1, 1]
