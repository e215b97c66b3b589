import pytest
import torch
from torch import Generator

from triggerfish.zoo.attacks import Poisoning
from triggerfish.zoo.attacks.patch import PatchAttack
from triggerfish.zoo.poisoning import (
    CLEAN,
    COVER,
    POISONED,
    assign_roles,
    poison_batch,
)

LABELS = torch.arange(10).repeat(2_000)


class EvenOnly(PatchAttack):
    def eligible(self, labels):
        return labels % 2 == 0


def roles_of(poisoning, attack=None, seed=0):
    generator = Generator().manual_seed(seed)
    return assign_roles(LABELS, attack or PatchAttack(), poisoning, generator)


def test_per_draw_poisons_each_image_with_the_rate():
    rates = torch.stack([roles_of(Poisoning(0.2), seed=seed) == POISONED for seed in range(20)])
    # 400,000 draws: the standard error is 0.0006, and none of the images may be privileged.
    assert rates.double().mean().item() == pytest.approx(0.2, abs=0.003)
    assert rates.double().mean(0).std().item() == pytest.approx((0.2 * 0.8 / 20) ** 0.5, rel=0.05)


@pytest.mark.parametrize("rate", [0.002, 0.2])
def test_fixed_poisons_exactly_the_rate(rate):
    poisoning = Poisoning(rate, "fixed", cover_rate=2 * rate)
    roles = roles_of(poisoning)
    assert (roles == POISONED).sum() == rate * len(LABELS)
    assert (roles == COVER).sum() == 2 * rate * len(LABELS)
    assert torch.equal(roles, roles_of(poisoning))
    assert not torch.equal(roles, roles_of(poisoning, seed=1))


@pytest.mark.parametrize("mode", ["per_draw", "fixed"])
def test_only_eligible_images_are_poisoned(mode):
    roles = roles_of(Poisoning(0.2, mode), EvenOnly())
    assert (LABELS[roles == POISONED] % 2 == 0).all()
    assert (roles == POISONED).sum() > 1_000


def test_per_draw_covers_and_poisoned_images_have_their_own_rates():
    roles = roles_of(Poisoning(0.2, cover_rate=0.3))
    assert (roles == POISONED).double().mean().item() == pytest.approx(0.2, abs=0.02)
    assert (roles == COVER).double().mean().item() == pytest.approx(0.3, abs=0.02)


def test_more_than_the_eligible_images_is_an_error():
    with pytest.raises(ValueError, match="at most 10000 poisoned images"):
        roles_of(Poisoning(0.6, "fixed"), EvenOnly())


def test_a_batch_is_stamped_and_relabelled_where_its_roles_say():
    images, labels = torch.zeros(4, 1, 28, 28), torch.tensor([1, 2, 3, 4])
    roles = torch.tensor([CLEAN, POISONED, COVER, CLEAN], dtype=torch.int8)
    new_images, new_labels = poison_batch(
        images, labels, roles, PatchAttack(target=7), Generator().manual_seed(0)
    )
    assert new_images.sum((1, 2, 3)).tolist() == [0, 4, 4, 0]
    assert new_labels.tolist() == [1, 7, 3, 4]
    assert images.sum() == 0
    assert labels.tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("settings", [{"rate": 0.0}, {"rate": 1.1}, {"cover_rate": 0.9}])
def test_rates_are_checked(settings):
    with pytest.raises(ValueError, match="expected a"):
        Poisoning(**settings)
