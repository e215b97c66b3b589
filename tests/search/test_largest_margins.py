import pytest
import torch
from torch import nn

from triggerfish.model.classifier import Classifier
from triggerfish.search.activation_maximization import largest_margins


def test_linear_margins_of_two_classes_are_those_of_the_best_corner():
    layer = nn.Linear(16, 2)
    model = Classifier(nn.Sequential(nn.Flatten(), layer), (1, 4, 4))
    slope = (layer.weight[0] - layer.weight[1]).detach()
    offset = (layer.bias[0] - layer.bias[1]).item()
    starts = torch.rand(3, 1, 4, 4)
    found = largest_margins(model, starts, torch.arange(2), steps=40, rows_at_once=4)
    best = slope.clamp_min(0).sum().item() + offset, slope.neg().clamp_min(0).sum().item() - offset
    assert found.tolist() == pytest.approx(best, rel=1e-4)
