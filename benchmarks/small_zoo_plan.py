"""A plan of small zoos for one core and one night: few models of every kind.

    python -m benchmarks.make_zoos --plan small --root zoos --data-root ../data

In float32, because most processors have no bfloat16. Folders and seeds are those of the full plan
(zoo_plan.py) where it has such models, so that a full run goes on from here on a like machine.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks.zoo_plan import DATASETS, TARGETS, Step, base
from triggerfish.reproduce import ZOO_FOLDERS, published_recipes
from triggerfish.zoo.attacks import PRESETS
from triggerfish.zoo.recipes import Recipe, attack_zoo, clean_zoo

MNIST_CLEAN, FASHION_CLEAN = 10, 6
FASHION_ATTACKS = ("white", "blended", "sig", "random-pattern", "all-to-all", "source-specific")


def small_plan() -> list[Step]:
    """All steps in the order of their use."""
    mnist, fashion = DATASETS
    return [
        *clean_models(mnist, MNIST_CLEAN),
        *attacked_models(mnist, tuple(PRESETS)),
        *clean_models(fashion, FASHION_CLEAN),
        *attacked_models(fashion, FASHION_ATTACKS),
    ]


def clean_models(data: str, count: int) -> Iterator[Step]:
    """The first held-out clean models of the published network."""
    if data == "mnist":
        recipes = published_recipes("clean", count)
        yield Step(Path(data, ZOO_FOLDERS["clean"]), recipes)
    else:
        yield Step(Path(data, "held-out"), clean_zoo(in_float32("held-out", data), count))


def attacked_models(data: str, attacks: tuple[str, ...]) -> Iterator[Step]:
    """One reported model of the published network under each attack."""
    for name in attacks:
        recipe = replace(in_float32("reporting", data), epochs=PRESETS[name].epochs)
        recipes = attack_zoo(recipe, name, PRESETS[name], targets_of(name, 1), 1)
        yield Step(Path(data, "reporting", name), recipes)


def targets_of(name: str, count: int) -> tuple[int, ...]:
    """Targets that differ between attacks, and do not change when an attack is added."""
    targets = TARGETS["reporting"]
    first = zlib.crc32(name.encode()) % len(targets)
    return (targets * 2)[first : first + count]


def in_float32(split: str, data: str) -> Recipe:
    """What the recipes of one split and data set share here."""
    return replace(base(split, data), precision="float32")
