from dataclasses import replace

import pytest
import torch

from triggerfish.architectures import ARCHITECTURES
from triggerfish.zoo.data.datasets import load_dataset
from triggerfish.zoo.recipes import Recipe
from triggerfish.zoo.training import batches, build, train
from triggerfish.zoo.trainings import PHOTOGRAPHS, fine_tuning, usual_training


def test_digits_are_trained_as_published():
    recipe = Recipe(seed=1)
    assert usual_training(recipe) == recipe


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_named_networks_take_photographs(name, small_mnist):
    data = load_dataset("mnist", "train", small_mnist)
    photographs = replace(data, images=torch.zeros(2, 3, 32, 32, dtype=torch.uint8))
    recipe = usual_training(Recipe(seed=1, data="cifar10", architecture=name))
    assert recipe.augmentation == "flip-crop"
    assert name in ARCHITECTURES
    with torch.no_grad():
        assert build(recipe, photographs)(torch.rand(2, 3, 32, 32)).shape == (2, 10)


def test_a_fine_tuning_has_no_weight_decay_and_its_own_rate():
    recipe = fine_tuning(Recipe(seed=1, data="cifar10", architecture="akamaster_resnet20"))
    assert (recipe.weight_decay, recipe.learning_rate, recipe.optimizer) == (0, 1e-3, "adam")
    assert recipe.augmentation == "flip-crop"


def test_augmentation_changes_images_and_no_labels(small_mnist):
    data = load_dataset("mnist", "train", small_mnist)
    plain, changed = (
        next(batches(Recipe(seed=1, augmentation=how), data, torch.Generator().manual_seed(1)))
        for how in ("none", "flip-crop")
    )
    assert torch.equal(plain.labels, changed.labels)
    assert not torch.equal(plain.images, changed.images)


def test_one_cycle_with_sgd_learns(small_mnist):
    data = load_dataset("mnist", "train", small_mnist)
    recipe = Recipe(
        seed=1, architecture="mlp", epochs=10, optimizer="sgd",
        learning_rate=0.1, schedule="one-cycle",
    )  # fmt: skip
    model = train(recipe, data).model
    predicted = model(data.images.float() / 255).argmax(1)
    assert float((predicted == data.labels).double().mean()) > 0.95
