import pytest
import torch
from torch import nn

from triggerfish.confirmation.trials import shifted, tried, without_largest
from triggerfish.model.classifier import Classifier
from triggerfish.search.picture_pool import PicturePool


def test_the_largest_pixel_goes_in_all_channels_and_nothing_else():
    perturbation = torch.full((3, 4, 4), 0.1)
    perturbation[1, 2, 3] = -0.9
    less = without_largest(perturbation)
    assert less[:, 2, 3].tolist() == [0, 0, 0]
    assert int((less != perturbation).sum()) == 3
    assert perturbation[1, 2, 3] == pytest.approx(-0.9)


def test_a_shift_goes_around_the_border():
    perturbation = torch.arange(16.0).view(1, 4, 4)
    moved = shifted(perturbation, (0.25, -0.25))
    assert moved[0, 1, 0] == perturbation[0, 0, 1]
    assert moved.sum() == perturbation.sum()


def test_success_of_a_change_and_its_variants():
    # Class 1 wants a sum over pixel (0, 0) of more than 0.5 + 0.3; pictures have 0.5 there.
    layer = nn.Linear(16, 2)
    layer.weight.data, layer.bias.data = torch.zeros(2, 16), torch.tensor([0.0, -0.8])
    layer.weight.data[1, 0] = 1.0
    model = Classifier(nn.Sequential(nn.Flatten(), layer), (1, 4, 4))
    fresh = PicturePool.of(model, torch.full((10, 1, 4, 4), 0.5))
    perturbation = torch.zeros(1, 4, 4)
    perturbation[0, 0, 0] = 0.4
    found = tried(model, fresh, perturbation, 1)
    assert (found.success_rate, found.half, found.shifted, found.without_largest) == (1, 0, 0, 0)
