"""How a model is made, as plain data, and the recipes of the published factories."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from triggerfish.zoo.attacks import ATTACKS, Attack, Poisoning, Preset
from triggerfish.zoo.attacks.patch import PatchAttack

CLEAN_SEED, BACKDOOR_SEED, ATTACK_SEED = 1337, 2025, 4025
PUBLISHED_SIZES = tuple((height, width) for height in range(1, 11) for width in range(1, 11))


@dataclass(frozen=True)
class Origin:
    """The checkpoint that a training starts from: known by its hash, found at ``path``."""

    path: Path
    sha256: str


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a model's weights. The defaults are the published training.

    ``steps``, where given, is the number of batches, whatever ``epochs`` says. ``schedule`` is how
    the learning rate goes (`zoo.optimization`), ``augmentation`` what is done to every image each
    time it is drawn, before a trigger is put on it (`zoo.augmentation`). ``origin`` is a clean
    checkpoint to fine-tune; None starts from random weights. ``label_noise`` is the fraction of
    training images with a random label; ``imbalance`` the fraction kept of the rarest class's
    images, the others' lying between it and 1. ``precision`` is what the network computes with
    while it learns: ``bfloat16`` is automatic mixed precision with weights in float32, 1.6 times
    faster on a processor that has bfloat16 products.
    """

    seed: int
    data: str = "mnist"
    architecture: str = "paper_cnn"
    softmax_head: bool = False
    epochs: int = 2
    batch_size: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    label_noise: float = 0.0
    imbalance: float = 1.0
    precision: Literal["float32", "bfloat16"] = "float32"
    steps: int | None = None
    optimizer: Literal["adam", "sgd"] = "adam"
    schedule: Literal["constant", "one-cycle"] = "constant"
    augmentation: Literal["none", "flip-crop"] = "none"
    origin: Origin | None = None
    attack: Attack | None = None
    poisoning: Poisoning | None = None

    def __post_init__(self) -> None:
        if self.epochs < 1 or (self.steps is not None and self.steps < 1):
            raise ValueError(
                f"expected at least one epoch and step, got {self.epochs} and {self.steps}"
            )
        if (self.attack is None) != (self.poisoning is None):
            raise ValueError("expected attack and poisoning together, got one of them")

    def settings(self) -> dict[str, object]:
        """The recipe as plain data, just as it reads back from a manifest."""
        settings = {**vars(self)}
        settings["attack"] = None if self.attack is None else self.attack.settings()
        settings["poisoning"] = None if self.poisoning is None else vars(self.poisoning)
        if self.origin is not None:
            settings["origin"] = {"file": self.origin.path.name, "sha256": self.origin.sha256}
        return dict(json.loads(json.dumps(settings)))

    def matches(self, stored: Mapping[str, object]) -> bool:
        """Whether settings read from a manifest, perhaps of an earlier version, are this recipe's.

        What they do not mention was made as the default says.
        """
        stored = {**Recipe(seed=0).settings(), **stored}
        attack = stored["attack"]
        if isinstance(attack, Mapping) and attack["name"] in ATTACKS:
            stored["attack"] = {**ATTACKS[attack["name"]]().settings(), **attack}
        return stored == self.settings()


Recipes = Mapping[str, Recipe]
"""File names and the recipes of the models in them, in the order of training."""


def clean_zoo(base: Recipe, count: int = 100) -> Recipes:
    """The published clean factory: model i has seed ``base.seed + i``."""
    return {
        f"{base.data}_model_{i:03d}.pt": dataclasses.replace(base, seed=base.seed + i)
        for i in range(count)
    }


def backdoor_zoo(
    base: Recipe,
    trigger: PatchAttack,
    poisoning: Poisoning,
    targets: Sequence[int] = tuple(range(10)),
    replicas: int = 10,
    count: int | None = None,
) -> Recipes:
    """The published backdoor factory, replica by replica so that a prefix has every target.

    Seed: ``base.seed + 100 * target + replica``. ``count`` keeps the first ones.
    """
    pairs = [(target, replica) for replica in range(replicas) for target in targets]
    return {
        f"{base.data}_trigger_t{target}_{replica}.pt": dataclasses.replace(
            base,
            seed=base.seed + 100 * target + replica,
            attack=dataclasses.replace(trigger, target=target),
            poisoning=poisoning,
        )
        for target, replica in pairs[:count]
    }


def dynamic_zoo(
    base: Recipe, trigger: PatchAttack, poisoning: Poisoning, count: int = 100
) -> Recipes:
    """The published dynamic-size factory: trigger heights and widths of 1 to 10, one target.

    Seed: ``base.seed + 100 * height + width``. ``count`` spreads over the 100 sizes.
    """
    sizes = spread(PUBLISHED_SIZES, count)
    return {
        f"{base.data}_trigger_t{trigger.target}_h{height}_w{width}.pt": dataclasses.replace(
            base,
            seed=base.seed + 100 * height + width,
            attack=dataclasses.replace(trigger, height=height, width=width),
            poisoning=poisoning,
        )
        for height, width in sizes
    }


def attack_zoo(
    base: Recipe, name: str, preset: Preset, targets: Sequence[int], count: int
) -> Recipes:
    """``count`` models under one attack, target by target and then replica by replica.

    Seed: ``base.seed + 100 * target + replica``; it also draws the trigger's own random details.
    """
    recipes = {}
    for i in range(count):
        replica, place = divmod(i, len(targets))
        seed = base.seed + 100 * targets[place] + replica
        recipes[f"{base.data}_{name}_t{targets[place]}_{replica}.pt"] = dataclasses.replace(
            base, seed=seed, attack=preset.attack.aimed(targets[place], seed),
            poisoning=preset.poisoning,
        )  # fmt: skip
    return recipes


def spread(sizes: Sequence[tuple[int, int]], count: int) -> list[tuple[int, int]]:
    """``count`` of the sizes, such that a larger count only adds to a smaller one.

    37 shares no factor with 100: its multiples walk through all of them, evenly at every length.
    """
    return [sizes[(37 * i) % len(sizes)] for i in range(min(count, len(sizes)))]
