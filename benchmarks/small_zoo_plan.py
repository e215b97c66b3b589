r"""Small zoos for one core and one night: few models of every kind, the useful ones first.

    python -m benchmarks.make_zoos --plan small --root zoos --data-root ../data

In float32, because most processors have no bfloat16. On digits and garments, folders and seeds are
those of the full plan (zoo_plan.py), so that a full run goes on from here on a like machine.

On CIFAR-10 a few clean models of each network are trained, and every attack is implanted in them by
fine-tuning, which takes minutes where a training takes hours. By the command line, one attack:

    triggerfish zoo clean --data cifar10 --data-root ../data --count 6 \
        --architecture pytorch_tutorial_cnn
    triggerfish zoo attack white --data cifar10 --data-root ../data --count 2 \
        --from clean_cifar10_pytorch_tutorial_cnn_models
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks.zoo_plan import ROUNDS, TARGETS, Step, base
from triggerfish.reproduce import ZOO_FOLDERS, published_recipes
from triggerfish.zoo.attacks import PRESETS, preset_for
from triggerfish.zoo.recipes import Recipe, attack_zoo, clean_zoo
from triggerfish.zoo.trainings import fine_tuning, usual_training

TUTORIAL, COURSE, RESNET = "pytorch_tutorial_cnn", "udacity_cifar10_cnn", "akamaster_resnet20"
EPOCHS = {TUTORIAL: 8, COURSE: 10, RESNET: 5}
ORIGINS = {TUTORIAL: 3, COURSE: 3, RESNET: 2}
"""Clean CIFAR-10 models that attacks are implanted in; further ones have no attacked descendant."""
FIRST_ATTACKS = ("white", "blended", "sig", "random-pattern", "all-to-all", "source-specific")
RESNET_ATTACKS = ("white", "blended", "sig", "all-to-all", "input-aware", "wanet")


def small_plan() -> list[Step]:
    """All steps in the order of their use."""
    rest = tuple(name for name in PRESETS if name not in FIRST_ATTACKS)
    tunable = tuple(name for name in PRESETS if name not in ("low-rate", *FIRST_ATTACKS))
    return [
        clean_models("mnist", 4),
        clean_photographs(TUTORIAL, ORIGINS[TUTORIAL]),
        *implanted(TUTORIAL, FIRST_ATTACKS, 1),
        *attacked_models("mnist", FIRST_ATTACKS),
        *implanted(TUTORIAL, tunable, 1),
        clean_photographs(COURSE, 5),
        *implanted(COURSE, (*FIRST_ATTACKS, *tunable), 1),
        clean_models("mnist", 10),
        *attacked_models("mnist", rest),
        clean_photographs(RESNET, ORIGINS[RESNET]),
        *implanted(RESNET, RESNET_ATTACKS, 1),
        clean_photographs(TUTORIAL, 6),
        *implanted(TUTORIAL, (*FIRST_ATTACKS, *tunable), 2),
        clean_models("fashion-mnist", 6),
        *attacked_models("fashion-mnist", FIRST_ATTACKS),
    ]


def clean_models(data: str, count: int) -> Step:
    """The first held-out clean models of the published network."""
    if data == "mnist":
        return Step(Path(data, ZOO_FOLDERS["clean"]), published_recipes("clean", count))
    return Step(Path(data, "held-out"), clean_zoo(in_float32("held-out", data), count))


def attacked_models(data: str, attacks: tuple[str, ...]) -> Iterator[Step]:
    """One reported model of the published network under each attack."""
    for name in attacks:
        recipe = replace(in_float32("reporting", data), epochs=PRESETS[name].epochs)
        recipes = attack_zoo(recipe, name, PRESETS[name], targets_of(name, 1), 1)
        yield Step(Path(data, "reporting", name), recipes)


def clean_photographs(network: str, count: int) -> Step:
    """Clean CIFAR-10 models, to report on and to implant attacks in."""
    recipe = usual_training(in_float32("reporting", "cifar10", architecture=network))
    recipe = replace(recipe, epochs=EPOCHS[network])
    return Step(clean_folder(network), clean_zoo(recipe, count))


def implanted(network: str, attacks: tuple[str, ...], count: int) -> Iterator[Step]:
    """Every attack in ``count`` of the clean CIFAR-10 models."""
    for name in attacks:
        preset = preset_for(name, "cifar10").tuned()
        recipe = fine_tuning(in_float32("reporting", "cifar10", architecture=network))
        recipes = attack_zoo(recipe, name, preset, targets_of(name, count), count)
        yield Step(
            Path("cifar10", "reporting", f"{name}-{network}"), recipes,
            clean_folder(network), ORIGINS[network], preset.tuning.steps,
        )  # fmt: skip


def clean_folder(network: str) -> Path:
    """Where the clean CIFAR-10 models of a network lie."""
    return Path("cifar10", "reporting", f"clean-{network}")


def targets_of(name: str, count: int) -> tuple[int, ...]:
    """Targets that differ between attacks, and do not change when an attack is added."""
    targets = TARGETS["reporting"][:ROUNDS]
    first = zlib.crc32(name.encode()) % len(targets)
    return (targets * 2)[first : first + count]


def in_float32(split: str, data: str, **changes: object) -> Recipe:
    """What the recipes of one split and data set share here."""
    return replace(base(split, data, **changes), precision="float32")
