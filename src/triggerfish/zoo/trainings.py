"""How networks are trained on photographs: settings that reach what the literature reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from triggerfish.zoo.recipes import Recipe

Changes = Mapping[str, object]

_SMALL: Changes = {
    "epochs": 10, "optimizer": "adam", "learning_rate": 3e-3,
    "schedule": "one-cycle", "augmentation": "flip-crop",
}  # fmt: skip
_STRONG: Changes = {
    "epochs": 30, "optimizer": "sgd", "learning_rate": 0.2, "weight_decay": 5e-4,
    "schedule": "one-cycle", "augmentation": "flip-crop",
}  # fmt: skip
_WIDE: Changes = {**_STRONG, "learning_rate": 0.1}

PHOTOGRAPHS: Mapping[str, Changes] = {
    "akamaster_resnet20": _STRONG,
    "xternalz_wrn_16_1": _STRONG,
    "kuangliu_vgg11": _WIDE,
    "kuangliu_resnet18": _WIDE,
    "kuangliu_preactresnet18": _WIDE,
}
"""What a recipe becomes for a network on CIFAR-10; others are trained like small ones."""

FINE_TUNING: Changes = {"optimizer": "adam", "learning_rate": 1e-3, "schedule": "one-cycle"}
"""What a recipe becomes when it starts from a trained checkpoint."""


def usual_network(data: str) -> str:
    """The architecture to train on a data set: the published one where it fits."""
    return "small_resnet" if data == "cifar10" else "paper_cnn"


def usual_training(recipe: Recipe) -> Recipe:
    """The recipe with the usual training of its network on its data set: as published on digits."""
    if recipe.data != "cifar10":
        return recipe
    return _changed(recipe, PHOTOGRAPHS.get(recipe.architecture, _SMALL))


def fine_tuning(recipe: Recipe) -> Recipe:
    """The recipe as it continues a training."""
    return _changed(usual_training(recipe), {**FINE_TUNING, "weight_decay": 0.0})


def _changed(recipe: Recipe, changes: Changes) -> Recipe:
    return replace(recipe, **changes)  # type: ignore[arg-type]
