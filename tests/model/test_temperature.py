"""Logits at the usual scale."""

import pytest
import torch
from torch import nn

from triggerfish.model.classifier import Classifier
from triggerfish.model.temperature import USUAL, at_temperature, temperature_of


@pytest.mark.parametrize("spread", [0.3, 1.0, 8.0, 10.0, 0.0, float("nan")])
def test_usual_spreads_stay(spread: float) -> None:
    assert temperature_of(spread) == 1.0


@pytest.mark.parametrize("spread", [0.01, 23.0, 400.0])
def test_unusual_ones_come_to_the_usual(spread: float) -> None:
    assert spread / temperature_of(spread) == pytest.approx(USUAL)


def test_predicted_classes_stay() -> None:
    torch.manual_seed(0)
    sharp = Classifier(nn.Sequential(nn.Flatten(), nn.Linear(16, 5)), (1, 4, 4))
    images = torch.rand(6, 1, 4, 4)
    mild = at_temperature(at_temperature(sharp, 5.0), 2.0)
    assert torch.allclose(mild.logits(images), sharp.logits(images) / 10)
    assert mild.model is sharp.model
    assert sharp.temperature == 1.0
    assert at_temperature(sharp, 1.0) is sharp


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_temperature_is_a_number_above_zero(temperature: float) -> None:
    model = Classifier(nn.Sequential(nn.Flatten(), nn.Linear(16, 5)), (1, 4, 4))
    with pytest.raises(ValueError, match="temperature > 0"):
        at_temperature(model, temperature)
