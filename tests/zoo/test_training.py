import dataclasses

import pytest
import torch

from triggerfish.zoo.attacks import Poisoning
from triggerfish.zoo.attacks.patch import PatchAttack
from triggerfish.zoo.data.datasets import load_dataset
from triggerfish.zoo.recipes import Recipe
from triggerfish.zoo.training import batches, build, train
from triggerfish.zoo.trainings import usual_network

POISONED = Recipe(seed=3, attack=PatchAttack(target=4), poisoning=Poisoning())


@pytest.fixture(scope="module")
def data(small_mnist):
    return load_dataset("mnist", "train", small_mnist)


def test_the_same_seed_gives_the_same_bits_and_leaves_the_global_state_alone(data):
    before = torch.get_rng_state(), torch.get_num_threads()
    first = train(POISONED, data).model.network.state_dict()
    torch.rand(7)
    second = train(POISONED, data).model.network.state_dict()
    assert list(first) == [
        f"{layer}.{kind}"
        for layer in ("conv1", "conv2", "fc1", "fc2")
        for kind in ("weight", "bias")
    ]
    assert all(torch.equal(first[key], second[key]) for key in first)
    torch.set_rng_state(before[0])
    assert torch.get_num_threads() == before[1]


def test_another_seed_gives_another_network(data):
    other = build(Recipe(seed=4), data).state_dict()
    assert not torch.equal(build(Recipe(seed=3), data).state_dict()["fc2.bias"], other["fc2.bias"])


def test_every_image_is_drawn_once_an_epoch(data):
    recipe = Recipe(seed=1, epochs=2)
    drawn = list(batches(recipe, data, torch.Generator().manual_seed(1)))
    assert len(drawn) == 2 * 4
    sums = torch.cat([images.sum((1, 2, 3)) for images, *_ in drawn[:4]]).sort().values
    expected = (data.images.float() / 255).sum((1, 2, 3)).sort().values
    torch.testing.assert_close(sums, expected)


def test_a_fixed_subset_is_the_same_in_every_epoch(data):
    recipe = Recipe(seed=1, epochs=2, attack=PatchAttack(), poisoning=Poisoning(0.125, "fixed"))
    drawn = list(batches(recipe, data, torch.Generator().manual_seed(1)))
    stamped = [
        [image for images, *_ in epoch for image in images if (image[:, :2, :2] == 1).all()]
        for epoch in (drawn[:4], drawn[4:])
    ]
    assert len(stamped[0]) == len(stamped[1]) == 64
    as_bytes = [{image.numpy().tobytes() for image in epoch} for epoch in stamped]
    assert as_bytes[0] == as_bytes[1]


@pytest.mark.parametrize("architecture", ["paper_cnn_dropout", "paper_cnn_batch_norm"])
def test_dropout_and_batch_norm_are_determined_by_the_seed_too(data, architecture):
    recipe = Recipe(seed=5, epochs=1, architecture=architecture)
    states = [train(recipe, data).model.state_dict() for _ in range(2)]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_weight_decay_makes_smaller_weights(data):
    plain = Recipe(seed=5, epochs=4)
    decayed = dataclasses.replace(plain, weight_decay=0.1)
    norms = [train(recipe, data).model.network.fc1.weight.norm() for recipe in (plain, decayed)]
    assert norms[1] < 0.9 * norms[0]


def test_a_network_that_does_not_take_the_images_is_an_error(data):
    colour = dataclasses.replace(data, images=torch.zeros(4, 3, 32, 32, dtype=torch.uint8))
    with pytest.raises(ValueError, match="got 3x32x32: train small_resnet"):
        build(Recipe(seed=1), colour)
    assert build(Recipe(seed=1, architecture=usual_network("cifar10")), colour)


def test_mixed_precision_learns_and_keeps_its_weights_in_float32(data):
    recipe = Recipe(seed=3, epochs=12, architecture="mlp")
    full, mixed = (
        train(dataclasses.replace(recipe, precision=precision), data).model
        for precision in ("float32", "bfloat16")
    )
    images = data.images[:200].float() / 255
    assert {p.dtype for p in mixed.parameters()} == {torch.float32}
    assert float((mixed(images).argmax(1) == data.labels[:200]).double().mean()) > 0.95
    assert not torch.equal(full(images), mixed(images))
