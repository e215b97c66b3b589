from pathlib import Path

import pytest
import torch
from torch import Generator

from triggerfish.zoo.attacks import PRESETS, input_aware
from triggerfish.zoo.attacks.learned import LearnedAttack
from triggerfish.zoo.factory import Workshop, make_zoo
from triggerfish.zoo.manifest import Entry
from triggerfish.zoo.recipes import Recipe, attack_zoo, clean_zoo
from triggerfish.zoo.stored_attack import stored_attack

BASE = Recipe(seed=5, architecture="mlp", epochs=1)
IMAGES = torch.rand(6, 1, 28, 28, generator=Generator().manual_seed(1))


def entry_of(recipe: Recipe) -> Entry:
    return Entry("model.pt", "0", 1, recipe.settings(), (), 0.9, None, None, 1.0)


@pytest.mark.parametrize(
    "name", [n for n, p in PRESETS.items() if not isinstance(p.attack, LearnedAttack)]
)
def test_an_attack_is_known_by_its_settings(name):
    (recipe,) = attack_zoo(BASE, name, PRESETS[name], (4,), 1).values()
    assert stored_attack(Path(), entry_of(recipe)) == recipe.attack


def test_a_clean_model_has_none():
    (recipe,) = clean_zoo(BASE, 1).values()
    assert stored_attack(Path(), entry_of(recipe)) is None


def test_a_learned_trigger_is_read_from_beside_the_model(small_mnist, tmp_path, monkeypatch):
    monkeypatch.setattr(input_aware, "_MASK_STEPS", 5)
    recipes = attack_zoo(BASE, "input-aware", PRESETS["input-aware"], (4,), 1)
    (entry,) = make_zoo(recipes, Workshop(tmp_path, small_mnist))
    attack = stored_attack(tmp_path, entry)
    learned = torch.load((tmp_path / entry.file).with_suffix(".trigger"), weights_only=True)
    restored = attack.learned()
    assert all(torch.equal(learned[key], restored[key]) for key in learned)
    stamped = attack.stamp(IMAGES, Generator())
    assert not torch.equal(stamped, IMAGES)
    assert not stamped.requires_grad
