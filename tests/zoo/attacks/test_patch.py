import pytest
import torch
from torch import Generator

from triggerfish.zoo.attacks import ATTACKS, Attack
from triggerfish.zoo.attacks.patch import PatchAttack


def stamped(attack: Attack, images: torch.Tensor) -> torch.Tensor:
    return attack.stamp(images, Generator().manual_seed(0))


def test_the_published_trigger_changes_exactly_its_four_pixels():
    images = torch.rand(5, 1, 28, 28) * 0.9
    before = images.clone()
    result = stamped(PatchAttack(), images)
    changed = (result != images).nonzero()[:, 2:].unique(dim=0)
    assert changed.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert (result[:, :, :2, :2] == 1).all()
    assert torch.equal(images, before)


@pytest.mark.parametrize(
    ("row", "column", "rows", "columns"),
    [(0, -1, (0, 3), (24, 28)), (-1, 0, (25, 28), (0, 4)), (-2, 5, (24, 27), (5, 9))],
)
def test_negative_positions_count_from_the_far_side(row, column, rows, columns):
    result = stamped(
        PatchAttack(height=3, width=4, row=row, column=column), torch.zeros(1, 3, 28, 28)
    )
    expected = torch.zeros(1, 3, 28, 28)
    expected[:, :, slice(*rows), slice(*columns)] = 1
    assert torch.equal(result, expected)


def test_alpha_blends():
    result = stamped(PatchAttack(alpha=0.2), torch.full((1, 1, 28, 28), 0.5))
    assert result[0, 0, 0, 0].item() == pytest.approx(0.8 * 0.5 + 0.2)


@pytest.mark.parametrize("settings", [{"height": 29}, {"row": 27}, {"column": -28}])
def test_a_patch_that_does_not_fit_is_an_error(settings):
    with pytest.raises(ValueError, match="inside the image"):
        stamped(PatchAttack(**settings), torch.zeros(1, 1, 28, 28))


def test_all_to_one_labels():
    attack = PatchAttack(target=3)
    labels = torch.arange(10)
    assert attack.relabel(labels).tolist() == [3] * 10
    assert attack.attacked(labels).tolist() == [label != 3 for label in range(10)]
    assert attack.targets == (3,)


def test_settings_make_the_same_attack_again():
    attack = PatchAttack(target=3, height=5, value=0.5)
    settings = attack.settings()
    assert ATTACKS[settings.pop("name")](**settings) == attack
