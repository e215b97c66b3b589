import pytest
import torch
from torch import nn

from triggerfish.confirmation.trials import shifted, tried, without_largest
from triggerfish.model.classifier import Classifier
from triggerfish.search.picture_pool import PicturePool


def test_the_largest_pixel_goes_in_all_channels_and_nothing_else():
    change = torch.full((3, 4, 4), 0.1)
    change[1, 2, 3] = -0.9
    less = without_largest(change)
    assert less[:, 2, 3].tolist() == [0, 0, 0]
    assert int((less != change).sum()) == 3
    assert change[1, 2, 3] == pytest.approx(-0.9)


def test_a_shift_goes_around_the_border():
    change = torch.arange(16.0).view(1, 4, 4)
    moved = shifted(change, (0.25, -0.25))
    assert moved[0, 1, 0] == change[0, 0, 1]
    assert moved.sum() == change.sum()


def test_success_of_a_change_and_its_variants():
    # Class 1 wants a sum over pixel (0, 0) of more than 0.5 + 0.3; pictures have 0.5 there.
    layer = nn.Linear(16, 2)
    layer.weight.data, layer.bias.data = torch.zeros(2, 16), torch.tensor([0.0, -0.8])
    layer.weight.data[1, 0] = 1.0
    model = Classifier(nn.Sequential(nn.Flatten(), layer), (1, 4, 4))
    fresh = PicturePool.of(model, torch.full((10, 1, 4, 4), 0.5))
    change = torch.zeros(1, 4, 4)
    change[0, 0, 0] = 0.4
    found = tried(model, fresh, change, 1)
    assert (found.success, found.half, found.shifted, found.without_largest) == (1, 0, 0, 0)
