import json

import pytest

from triggerfish.zoo.attacks import Poisoning
from triggerfish.zoo.attacks.patch import PatchAttack
from triggerfish.zoo.recipes import Recipe, backdoor_zoo, clean_zoo, dynamic_zoo

POISONING = Poisoning()


def test_published_clean_names_and_seeds():
    recipes = clean_zoo(Recipe(seed=1337))
    assert len(recipes) == 100
    assert recipes["mnist_model_000.pt"].seed == 1337
    assert recipes["mnist_model_099.pt"].seed == 1436
    assert all(recipe.attack is None for recipe in recipes.values())


def test_published_backdoor_names_and_seeds():
    recipes = backdoor_zoo(Recipe(seed=2025), PatchAttack(), POISONING)
    assert len(recipes) == 100
    recipe = recipes["mnist_trigger_t7_3.pt"]
    assert recipe.seed == 2025 + 703
    assert recipe.attack == PatchAttack(target=7)
    assert recipe.poisoning == Poisoning(0.2, "per_draw")


def test_a_prefix_of_the_backdoor_zoo_has_every_target():
    recipes = backdoor_zoo(Recipe(seed=2025), PatchAttack(), POISONING, count=10)
    assert sorted(recipe.attack.target for recipe in recipes.values()) == list(range(10))


def test_published_dynamic_names_and_seeds():
    recipes = dynamic_zoo(Recipe(seed=2025), PatchAttack(), POISONING)
    assert len(recipes) == 100
    recipe = recipes["mnist_trigger_t0_h4_w10.pt"]
    assert recipe.seed == 2025 + 410
    assert (recipe.attack.height, recipe.attack.width, recipe.attack.target) == (4, 10, 0)


def test_a_smaller_dynamic_zoo_is_part_of_a_larger_and_spreads_over_the_sizes():
    small = dynamic_zoo(Recipe(seed=2025), PatchAttack(), POISONING, 10)
    large = dynamic_zoo(Recipe(seed=2025), PatchAttack(), POISONING, 30)
    assert set(small) < set(large)
    assert {recipe.attack.height for recipe in small.values()} >= {1, 4, 8, 10}
    assert len({recipe.attack.width for recipe in small.values()}) == 10


def test_settings_are_plain_data():
    settings = dynamic_zoo(Recipe(seed=1), PatchAttack(), POISONING, 1)[
        "mnist_trigger_t0_h1_w1.pt"
    ].settings()
    assert json.loads(json.dumps(settings)) == settings
    assert settings["attack"]["name"] == "patch"


def test_settings_of_an_earlier_version_are_recognised_and_others_are_not():
    (recipe,) = dynamic_zoo(Recipe(seed=1), PatchAttack(), POISONING, 1).values()
    earlier = recipe.settings()
    for added in ("steps", "optimizer", "schedule", "augmentation", "origin"):
        del earlier[added]
    assert recipe.matches(earlier)
    assert not recipe.matches({**earlier, "schedule": "one-cycle"})
    del earlier["attack"]["alpha"]
    assert recipe.matches(earlier)
    assert not recipe.matches({**earlier, "attack": {**earlier["attack"], "alpha": 0.5}})


def test_attack_and_poisoning_come_together():
    with pytest.raises(ValueError, match="together"):
        Recipe(seed=1, attack=PatchAttack())
