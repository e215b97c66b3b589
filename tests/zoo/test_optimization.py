import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from triggerfish.zoo.optimization import MOMENTUM, optimizer_of, schedule_of, steps_of
from triggerfish.zoo.recipes import Recipe

CYCLE = Recipe(seed=1, epochs=5, schedule="one-cycle", learning_rate=0.4, optimizer="sgd")
IMAGES = 2500  # 20 batches an epoch


def rates(recipe):
    """The learning rate of each batch."""
    optimizer = optimizer_of(recipe, [nn.Parameter(torch.zeros(1))])
    schedule = schedule_of(recipe, optimizer, IMAGES)
    for _ in range(steps_of(recipe, IMAGES)):
        yield schedule.get_last_lr()[0]
        optimizer.step()
        schedule.step()


def test_one_cycle_rises_along_a_cosine_for_a_quarter_and_falls_to_nothing():
    found = list(rates(CYCLE))
    assert len(found) == 100
    top = found.index(max(found))
    assert top == 24
    assert max(found) == pytest.approx(0.4)
    low = 0.4 / 25
    expected = [low + (0.4 - low) * (1 - math.cos(math.pi * i / 24)) / 2 for i in range(25)]
    assert found[:25] == pytest.approx(expected)
    assert found[24:] == sorted(found[24:], reverse=True)
    assert found[-1] < 1e-4


def test_a_constant_rate_stays():
    assert set(rates(replace(CYCLE, schedule="constant"))) == {0.4}


def test_steps_win_over_epochs():
    assert steps_of(replace(CYCLE, steps=7), IMAGES) == 7
    assert len(list(rates(replace(CYCLE, steps=7)))) == 7


@pytest.mark.parametrize("name", ["adam", "sgd"])
def test_both_optimizers_go_downhill_with_their_weight_decay(name):
    weight = nn.Parameter(torch.ones(1))
    recipe = Recipe(seed=1, optimizer=name, learning_rate=0.1, weight_decay=0.5)
    optimizer = optimizer_of(recipe, [weight])
    weight.grad = torch.tensor([2.0])
    optimizer.step()
    step = 0.1 if name == "adam" else 0.1 * (1 + MOMENTUM) * (2.0 + 0.5)
    assert weight.item() == pytest.approx(1 - step)
