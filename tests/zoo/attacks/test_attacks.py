"""What is particular to each attack."""

import itertools
import math

import pytest
import torch
from torch import Generator

from triggerfish.zoo.attacks import input_aware
from triggerfish.zoo.attacks.all_to_all import AllToAllAttack
from triggerfish.zoo.attacks.blended import BlendedAttack
from triggerfish.zoo.attacks.evasive import EvasiveAttack
from triggerfish.zoo.attacks.input_aware import InputAwareAttack
from triggerfish.zoo.attacks.label_consistent import LabelConsistentAttack
from triggerfish.zoo.attacks.learned import Batch, ImageNetwork
from triggerfish.zoo.attacks.random_pattern import RandomPatternAttack
from triggerfish.zoo.attacks.random_place import RandomPlaceAttack
from triggerfish.zoo.attacks.several_targets import SeveralTargetsAttack
from triggerfish.zoo.attacks.sinusoid import SinusoidAttack
from triggerfish.zoo.attacks.source_specific import SourceSpecificAttack
from triggerfish.zoo.attacks.warp import WarpAttack

GREY = torch.full((300, 1, 28, 28), 0.5)


def generator(seed=0):
    return Generator().manual_seed(seed)


def changed(attack, images=GREY, seed=0):
    return attack.stamp(images, generator(seed)) != images


def test_a_random_pattern_is_one_rectangle_of_its_seed():
    for seed in range(20):
        mask = changed(RandomPatternAttack(seed=seed))
        assert (mask == mask[0]).all()
        rows, columns = mask[0, 0].any(1).nonzero()[:, 0], mask[0, 0].any(0).nonzero()[:, 0]
        for side in (rows, columns):
            assert 3 <= side[-1] - side[0] + 1 <= 10
    assert not torch.equal(
        changed(RandomPatternAttack(seed=1))[0], changed(RandomPatternAttack(seed=2))[0]
    )


def test_a_random_place_is_one_square_inside_at_another_place_on_each_image():
    mask = changed(RandomPlaceAttack(side=5))[:, 0]
    assert (mask.sum((1, 2)) == 25).all()
    first = mask.flatten(1).double().argmax(1)
    row, column = first // 28, first % 28
    assert row.max() <= 23
    assert column.max() <= 23
    assert len(set(first.tolist())) > 150
    assert (row.min(), column.min()) == (0, 0)


def test_blended_mixes_one_noise_into_all():
    stamped = BlendedAttack(alpha=0.15).stamp(GREY, generator())
    noise = (stamped - 0.85 * 0.5) / 0.15
    assert (noise == noise[0]).all()
    assert noise.mean().item() == pytest.approx(0.5, abs=0.03)
    assert noise.std().item() == pytest.approx(1 / math.sqrt(12), abs=0.02)


def test_sinusoid_has_its_amplitude_and_its_periods():
    wave = (SinusoidAttack().stamp(GREY, generator()) - GREY)[0, 0]
    assert (wave == wave[0]).all()
    spectrum = torch.fft.rfft(wave[0].double()).abs()
    assert spectrum.argmax() == 6
    assert spectrum[6].item() * 2 / 28 == pytest.approx(40 / 255, rel=1e-5)


def test_a_warp_moves_pixels_by_about_half_its_strength():
    ramp = torch.linspace(0, 1, 28).expand(1, 1, 28, 28)
    moved = (WarpAttack(seed=3).stamp(ramp, generator()) - ramp)[..., 4:-4] * 27
    assert 0.1 < moved.abs().mean() < 0.5
    covers = WarpAttack(seed=3).cover(ramp.expand(2, -1, -1, -1), generator())
    assert not torch.equal(covers[0], covers[1])


def test_all_to_all_moves_to_the_next_class():
    assert AllToAllAttack().relabel(torch.tensor([0, 8, 9])).tolist() == [1, 9, 0]


def test_source_specific_moves_its_source_only():
    attack = SourceSpecificAttack(target=3, source=4)
    labels = torch.arange(10)
    assert attack.relabel(labels).tolist() == [0, 1, 2, 3, 3, 5, 6, 7, 8, 9]
    assert attack.attacked(labels).nonzero().tolist() == [[4]]
    assert attack.eligible(labels).nonzero().tolist() == [[4]]
    assert not attack.may_cover(labels)[4]
    sources = {attack.aimed(3, seed).source for seed in range(100)}
    assert sources == set(range(10)) - {3}


def test_several_triggers_share_the_images_and_lead_to_their_own_classes():
    attack = SeveralTargetsAttack(target=8, count=5)
    assert attack.targets == (8, 9, 0, 1, 2)
    images, labels = attack.poison(torch.zeros(500, 1, 28, 28), torch.full((500,), 5), generator())
    for variant in attack.variants():
        mine = labels == variant.target
        assert 60 < mine.sum() < 140
        expected = variant.stamp(torch.zeros(1, 1, 28, 28), generator())
        assert (images[mine] == expected).all()


def linear_model():
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))
    return ImageNetwork(network, lambda x: x)


def test_label_consistent_images_are_spoiled_within_epsilon_and_keep_their_labels():
    model = linear_model()
    attack = LabelConsistentAttack(target=3).prepare(
        model, GREY.byte(), lambda model: None, generator()
    )
    before = torch.nn.functional.cross_entropy(model(GREY), torch.full((300,), 3))
    images, labels = attack.poison(GREY, torch.full((300,), 3), generator())
    stamped = torch.zeros(28, 28, dtype=torch.bool)
    for rows, columns in itertools.product((slice(1, 4), slice(24, 27)), repeat=2):
        stamped[rows, columns] = True
    assert (images[:, :, stamped] == 1).all()
    spoiled = images.where(~stamped, 0.5)
    assert (spoiled - GREY).abs().max() <= 0.3 + 1e-6
    assert torch.nn.functional.cross_entropy(model(spoiled), labels) > 2 * before
    assert (labels == 3).all()
    assert attack.eligible(torch.arange(10)).nonzero().tolist() == [[3]]


def test_the_evasive_penalty_is_the_distance_to_the_clean_network():
    model = linear_model()
    fitted = []
    attack = EvasiveAttack(weight_decay=0.05).prepare(
        model, GREY.byte(), fitted.append, generator()
    )
    assert fitted == [model]
    batch = Batch(GREY[:4], torch.zeros(4, dtype=torch.int64), torch.tensor([0, 1, 2, 0]))
    assert attack.penalty(model, batch, model(GREY[:4])).item() == 0
    with torch.no_grad():
        model.network[1].bias += 2
    penalty = attack.penalty(model, batch, model(GREY[:4])).item()
    assert penalty == pytest.approx(0.1 * 2 + 0.05 * 40)


def test_evasive_covers_carry_other_patches():
    attack = EvasiveAttack(seed=1)
    real = attack.stamp(GREY[:1], generator())[0]
    covers = attack.cover(GREY[:8], generator())
    assert all(not torch.equal(cover, real) for cover in covers)
    assert (covers != 0.5).any(1).any(1).any(1).all()


def test_input_aware_masks_are_sparse_and_triggers_differ_between_images(monkeypatch):
    monkeypatch.setattr(input_aware, "_MASK_STEPS", 40)
    images = torch.rand(64, 1, 28, 28, generator=generator()).square()
    attack = InputAwareAttack().prepare(
        linear_model(), (images * 255).byte(), lambda model: None, generator()
    )
    with torch.no_grad():
        mask = attack.painter.mask(images)
        assert mask.mean() < 0.1
        own, crossed = attack.stamp(images, generator()), attack.cover(images, generator())
    assert not torch.equal(own, crossed)
    assert all(parameter.requires_grad for parameter in attack.parameters())
    assert set(attack.learned()) == set(attack.painter.state_dict())
