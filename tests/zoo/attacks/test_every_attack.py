"""What holds for every preset: a new attack is tested by being there."""

import json

import pytest
import torch
from torch import Generator

from triggerfish.zoo.attacks import ATTACKS, DATA_PRESETS, PRESETS, input_aware, preset_for
from triggerfish.zoo.attacks.learned import ImageNetwork, LearnedAttack
from triggerfish.zoo.poisoning import COVER, POISONED, assign_roles, poison_batch

LABELS = torch.arange(10).repeat(40)
NAMES = tuple(PRESETS)


class Linear(torch.nn.Module):
    def __init__(self, pixels):
        super().__init__()
        self.linear = torch.nn.Linear(pixels, 10)

    def forward(self, x):
        return self.linear(x.flatten(1))


def ready(name, images, target=3):
    """The attack of a preset, prepared on random images where it has to be."""
    attack = PRESETS[name].attack.aimed(target, seed=7)
    if isinstance(attack, LearnedAttack):
        model = ImageNetwork(Linear(images[0].numel()), lambda x: x)
        as_bytes = (images * 255).byte()
        return attack.prepare(model, as_bytes, lambda model: None, Generator().manual_seed(0))
    return attack


@pytest.fixture(autouse=True)
def _few_steps(monkeypatch):
    monkeypatch.setattr(input_aware, "_MASK_STEPS", 5)


@pytest.fixture(scope="module", params=[(1, 28, 28), (3, 32, 32)], ids=["grey", "colour"])
def images(request):
    return torch.rand(len(LABELS), *request.param, generator=Generator().manual_seed(1))


@pytest.mark.parametrize("name", NAMES)
def test_stamps_stay_in_the_box_change_something_and_leave_the_input_alone(name, images):
    attack, before = ready(name, images), images.clone()
    for variant in attack.variants():
        stamped = variant.stamp(images, Generator().manual_seed(0)).detach()
        assert stamped.shape == images.shape
        assert stamped.min() >= 0
        assert stamped.max() <= 1
        assert ((stamped - images).abs().amax((1, 2, 3)) > 0).all()
        again = variant.stamp(images, Generator().manual_seed(0)).detach()
        assert torch.equal(stamped, again)
    assert torch.equal(images, before)


@pytest.mark.parametrize("name", NAMES)
def test_labels_go_to_the_targets_and_the_counted_images_are_moved(name, images):
    attack = ready(name, images)
    for variant in attack.variants():
        attacked = variant.attacked(LABELS)
        new = variant.relabel(LABELS)
        assert attacked.any()
        assert set(new[attacked].tolist()) <= set(attack.targets)
        assert (new[attacked] != LABELS[attacked]).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_poisoned_batch_keeps_clean_images_and_the_labels_of_covers(name, images):
    attack, poisoning = ready(name, images), PRESETS[name].poisoning
    generator = Generator().manual_seed(0)
    roles = assign_roles(LABELS, attack, poisoning, generator)
    new_images, labels = poison_batch(images, LABELS, roles, attack, generator)
    clean = roles == 0
    assert torch.equal(new_images[clean], images[clean])
    assert torch.equal(labels[roles != POISONED], LABELS[roles != POISONED])
    assert (roles == POISONED).any()
    assert (roles == COVER).any() == (poisoning.cover_rate > 0)
    changed = (new_images - images).detach().abs().amax((1, 2, 3)) > 0
    assert changed[~clean].all()


@pytest.mark.parametrize("name", NAMES)
def test_settings_are_plain_data_that_make_the_attack_again(name):
    attack = PRESETS[name].attack.aimed(5, seed=11)
    settings = json.loads(json.dumps(attack.settings()))
    assert ATTACKS[settings.pop("name")](**settings) == attack


@pytest.mark.parametrize("name", NAMES)
def test_aiming_sets_the_target(name):
    attack = PRESETS[name].attack.aimed(5, seed=11)
    assert attack.targets[0] == 5 or attack.targets == tuple(range(10))


@pytest.mark.parametrize(("data", "name"), DATA_PRESETS)
def test_settings_for_a_data_set_are_of_the_same_attack(data, name):
    special = preset_for(name, data)
    assert special != PRESETS[name]
    assert type(special.attack) is type(PRESETS[name].attack)
    photograph = torch.rand(2, 3, 32, 32, generator=Generator().manual_seed(1))
    if not isinstance(special.attack, LearnedAttack):
        assert not torch.equal(special.attack.stamp(photograph, Generator()), photograph)


def test_fine_tuning_poisons_more_but_not_where_the_rate_is_the_point():
    assert PRESETS["white"].tuned().poisoning.rate == 0.15
    assert PRESETS["low-rate"].tuned() == PRESETS["low-rate"]
    assert PRESETS["all-to-all"].tuned() == PRESETS["all-to-all"]
