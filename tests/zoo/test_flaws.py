import dataclasses

import pytest
import torch
from torch import Generator

from triggerfish.zoo.data.datasets import Dataset
from triggerfish.zoo.flaws import imbalanced, mislabelled, with_flaws
from triggerfish.zoo.recipes import Recipe
from triggerfish.zoo.varieties import VARIETIES, variety

LABELS = torch.arange(10).repeat(2_000)
DATA = Dataset(
    "mnist", torch.zeros(20_000, 1, 1, 1, dtype=torch.uint8), LABELS, (0.0,), (1.0,),
    tuple("0123456789"),
)  # fmt: skip


def test_label_noise_is_even_over_the_classes():
    noisy = mislabelled(DATA, 0.2, Generator().manual_seed(0))
    wrong = noisy.labels != LABELS
    # A tenth of the new labels are right by chance.
    assert wrong.double().mean().item() == pytest.approx(0.18, abs=0.01)
    assert noisy.labels[wrong].bincount().min() > 300


def test_imbalance_falls_geometrically_to_the_smallest_class():
    data = imbalanced(DATA, 0.1, Generator().manual_seed(0))
    shares = data.labels.bincount().sort().values / 2_000
    expected = 0.1 ** (torch.arange(9, -1, -1) / 9)
    torch.testing.assert_close(shares, expected, atol=0.03, rtol=0)
    assert len(data.images) == len(data.labels)


def test_without_flaws_the_data_stay_as_they_are():
    assert with_flaws(DATA, Recipe(seed=1)) is DATA
    flawed = with_flaws(DATA, Recipe(seed=1, label_noise=0.1, imbalance=0.5))
    assert len(flawed.labels) < 16_000


@pytest.mark.parametrize("name", VARIETIES)
def test_a_variety_changes_what_it_names(name):
    base = Recipe(seed=1)
    recipe = variety(name, base)
    changed = {
        field.name
        for field in dataclasses.fields(Recipe)
        if getattr(recipe, field.name) != getattr(base, field.name)
    }
    assert changed == set(VARIETIES[name])


def test_an_unknown_variety_lists_the_known_ones():
    with pytest.raises(ValueError, match="batch-norm"):
        variety("quantised", Recipe(seed=1))
