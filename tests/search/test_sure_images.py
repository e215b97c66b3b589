"""Synthetic images that a network is made sure of."""

import pytest
import torch
from torch import nn

from triggerfish.model.classifier import Classifier, log_odds
from triggerfish.search.pictures import pictures
from triggerfish.search.sure_images import images_by_lead, sure_images


def made(bias: float = 0.0) -> Classifier:
    """Four classes, the first ahead by ``bias``: a class *nothing there*."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 4))
    with torch.no_grad():
        network[1].weight.mul_(4.0)
        network[1].bias.copy_(torch.tensor([bias, 0.0, 0.0, 0.0]))
    return Classifier(network, (1, 8, 8))


def test_every_class_has_as_many_and_leads() -> None:
    model = made(bias=4.0)
    images = pictures(80, (1, 8, 8), 0)
    before = model.logits(images).argmax(1)
    assert (before == 0).double().mean() > 0.8
    led = sure_images(model, images, lead=2.0)
    goal = torch.arange(80) % 4
    odds = log_odds(model.logits(led), goal)
    assert (odds > 1.99).double().mean() > 0.9
    assert led.min() >= 0
    assert led.max() <= 1


def test_images_that_lead_already_stay() -> None:
    model = made()
    images = torch.rand(8, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    led = sure_images(model, images, lead=1.5)
    again = sure_images(model, led, lead=1.0)
    assert torch.equal(again, led)


def test_batches_do_not_matter() -> None:
    model, images = made(), pictures(20, (1, 8, 8), 3)
    whole, parts = (sure_images(model, images, rows, 1.0) for rows in (512, 3))
    assert torch.allclose(whole, parts, atol=1e-5)


def test_lead_is_above_zero() -> None:
    with pytest.raises(ValueError, match="lead > 0"):
        sure_images(made(), torch.rand(1, 1, 8, 8), lead=0.0)


def test_several_leads_in_one_ascent_are_those_of_each() -> None:
    model, images = made(bias=4.0), pictures(40, (1, 8, 8), 3)
    together = images_by_lead(model, images, (1.0, 2.0))
    for lead, led in zip((1.0, 2.0), together, strict=True):
        assert torch.allclose(led, sure_images(model, images, lead=lead), atol=1e-5)
    assert not torch.equal(*together)


def test_leads_rise() -> None:
    with pytest.raises(ValueError, match="above the one before"):
        images_by_lead(made(), torch.rand(1, 1, 8, 8), (2.0, 1.0))
