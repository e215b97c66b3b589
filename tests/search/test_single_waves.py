import pytest
import torch
from torch import nn

from triggerfish.model.classifier import Classifier
from triggerfish.search.frequency import PHASES, best_waves, single_waves
from triggerfish.search.picture_pool import PicturePool
from triggerfish.search.pictures import pictures

SHAPE = (3, 16, 16)


def test_waves_are_different_and_of_norm_one():
    waves = single_waves(SHAPE, 0.5).expand(-1, *SHAPE).flatten(1)
    # Half of the 49 points of a disc of radius 4, without the constant in its middle.
    assert len(waves) == 24 * PHASES
    assert torch.allclose(waves.norm(dim=1), torch.ones(len(waves)), atol=1e-5)
    same = waves @ waves.t() - torch.eye(len(waves))
    assert same.max() < 0.999
    assert len(single_waves((1, 2, 2), 0.5)) == 0


@pytest.mark.parametrize("chosen", [11, 50, 93])
def test_the_wave_that_a_class_answers_to_is_found(chosen):
    waves = single_waves(SHAPE, 0.5).expand(-1, *SHAPE)
    layer = nn.Linear(waves[0].numel(), 3, bias=False)
    layer.weight.data.zero_()
    layer.weight.data[1] = waves[chosen].flatten()
    model = Classifier(nn.Sequential(nn.Flatten(), layer), SHAPE)
    pool = PicturePool.of(model, pictures(40, SHAPE, 3) * 0.2 + 0.4)
    found = best_waves(model, pool, torch.tensor([1]), 0.5, 0.5, 4.0, 0)
    assert torch.allclose(found[0], 0.5 * waves[chosen], atol=1e-5)


def test_no_row_needs_no_wave():
    model = Classifier(nn.Sequential(nn.Flatten(), nn.Linear(768, 3)), SHAPE)
    pool = PicturePool.of(model, pictures(20, SHAPE))
    none = torch.zeros(0, dtype=torch.long)
    assert best_waves(model, pool, none, 0.5, 0.5, 4.0, 0).shape == (0, *SHAPE)
