"""The full plan of the benchmark's zoos: what make_zoos.py trains, in order.

Splits keep what constants are chosen on apart from what is reported. Each has its own seeds:

    development   attacks and clean varieties to look at while choosing constants
    calibration   clean models that thresholds and p-values come from (make_references.py)
    held-out      clean models, for false positives; on MNIST the published clean folder is that
    reporting     attacks and clean varieties, for everything else that is reported

Layout: ROOT/DATA/SPLIT for clean models, ROOT/DATA/SPLIT/NAME for the others, ROOT/mnist/PUBLISHED
for the three published folders; each has a manifest. The work goes in rounds, so that a run that is
stopped leaves every kind of model represented. All are trained in mixed precision (bfloat16), which
is 1.6 times faster where the processor has it and changes nothing that a scan could notice: the
published folders were made and scanned in float32 too (docs/reproduction.md).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from benchmarks.criteria import PAIRWISE_ATTACKS
from triggerfish.reproduce import ZOO_FOLDERS, published_recipes
from triggerfish.zoo.attacks import PRESETS
from triggerfish.zoo.manifest import MANIFEST
from triggerfish.zoo.origin import find_origins, tuned_zoo
from triggerfish.zoo.recipes import Recipe, Recipes, attack_zoo, clean_zoo
from triggerfish.zoo.varieties import VARIETIES, variety

DATASETS = ("mnist", "fashion-mnist")
# No seed of one split is reached from another: a folder has at most 1,000 seeds from its first.
# The published folders keep the published seeds, far below these.
SEEDS = {"calibration": 100_000, "held-out": 200_000, "development": 300_000, "reporting": 400_000}
# Targets differ between the splits in their order, so that short runs see different ones.
TARGETS = {"development": (3, 8, 0, 5), "reporting": (7, 1, 4, 9, 2, 6, 0, 5)}
ROUNDS = 5
A_ROUND = 20
"""Models that a round adds to each folder of clean models and to each published one."""
CALIBRATION = 40
"""Clean models behind a shipped reference; 20 in the first round, the rest in the second."""
SMALL = ("lenet", "mlp")
SMALL_ATTACKS = ("white", "black", "random-pattern", "low-contrast", "blended", "sig")
PRECISION: Literal["bfloat16"] = "bfloat16"


@dataclass(frozen=True)
class Step:
    """Models that one folder must hold after a round; a later round's are these and more.

    With ``origins`` the recipes continue, for ``steps`` batches, the training of the first
    ``origin_count`` clean models of that folder, which an earlier step has made.
    """

    folder: Path
    recipes: Recipes
    origins: Path | None = None
    origin_count: int = 0
    steps: int = 0

    def resolved(self, root: Path) -> Recipes:
        """The recipes, with their origins as they are under ``root``."""
        if self.origins is None or not (root / self.origins / MANIFEST).is_file():
            return self.recipes
        origins = find_origins(root / self.origins).origins[: self.origin_count]
        # Attacks begin at different origins, so that few models an attack still use them all.
        first = zlib.crc32(self.folder.name.encode()) % len(origins)
        return tuned_zoo(self.recipes, (*origins[first:], *origins[:first]), self.steps)


def base(split: str, data: str, **changes: object) -> Recipe:
    """What the recipes of one split and data set share."""
    recipe = Recipe(seed=SEEDS[split], data=data, precision=PRECISION)
    return replace(recipe, **changes)  # type: ignore[arg-type]


def calibration_folder(network: str) -> str:
    """Where the clean models of a network lie that references are made from."""
    return f"calibration-{network}" if network in SMALL else "calibration"


def models_a_round(attack: str) -> int:
    """pairwise-norm has two attacks to show its worth on, min-norm has all the others."""
    return 4 if attack in PAIRWISE_ATTACKS else 1


def development(data: str) -> Iterator[Step]:
    """What constants are chosen on, small on purpose: other seeds, cheap networks, few each.

    The published network only on the first data set; the second one asks whether constants chosen
    on the first hold.
    """
    folder = Path(data, "development")
    for network in SMALL:
        recipe = base("development", data, architecture=network)
        yield Step(folder / f"clean-{network}", clean_zoo(recipe, 12))
        for name in SMALL_ATTACKS:
            recipes = attack_zoo(recipe, name, PRESETS[name], TARGETS["development"], 2)
            yield Step(folder / f"{name}-{network}", recipes)
    if data != DATASETS[0]:
        return
    for name, preset in PRESETS.items():
        recipe = base("development", data, epochs=preset.epochs)
        recipes = attack_zoo(recipe, name, preset, TARGETS["development"], 1)
        yield Step(folder / name, recipes)
    for name in (name for name in VARIETIES if name != "published" and name not in SMALL):
        recipe = variety(name, base("development", data))
        yield Step(folder / f"clean-{name}", clean_zoo(recipe, 1))


def published(number: int) -> Iterator[Step]:
    """The first models of the three published folders, in the seeds of the publication."""
    for folder, name in ZOO_FOLDERS.items():
        recipes = published_recipes(folder, A_ROUND * number)
        mixed = {file: replace(recipe, precision=PRECISION) for file, recipe in recipes.items()}
        yield Step(Path("mnist", name), mixed)


def published_network(data: str, number: int) -> Iterator[Step]:
    """A round (1 to `ROUNDS`) of the published network: what is reported, and calibration."""
    recipe = base("calibration", data)
    yield Step(Path(data, "calibration"), clean_zoo(recipe, min(CALIBRATION, A_ROUND * number)))
    if data == "mnist":
        yield from published(number)
    else:
        yield Step(Path(data, "held-out"), clean_zoo(base("held-out", data), A_ROUND * number))
    for name, preset in PRESETS.items():
        recipe = base("reporting", data, epochs=preset.epochs)
        count = number * models_a_round(name)
        recipes = attack_zoo(recipe, name, preset, TARGETS["reporting"], count)
        yield Step(Path(data, "reporting", name), recipes)
    for name in (name for name in VARIETIES if name != "published" and name not in SMALL):
        recipe = variety(name, base("reporting", data))
        yield Step(Path(data, "reporting", f"clean-{name}"), clean_zoo(recipe, number))


def small_networks(data: str, number: int) -> Iterator[Step]:
    """The same round of the small networks, whose training costs a tenth."""
    for network in SMALL:
        recipe = base("calibration", data, architecture=network)
        count = min(CALIBRATION, A_ROUND * number)
        yield Step(Path(data, calibration_folder(network)), clean_zoo(recipe, count))
        recipe = base("reporting", data, architecture=network)
        folder = Path(data, "reporting")
        yield Step(folder / f"clean-{network}", clean_zoo(recipe, A_ROUND // 2 * number))
        for name in (*SMALL_ATTACKS, *PAIRWISE_ATTACKS):
            count = number * models_a_round(name)
            recipes = attack_zoo(recipe, name, PRESETS[name], TARGETS["reporting"], count)
            yield Step(folder / f"{name}-{network}", recipes)


def full_plan() -> list[Step]:
    """All steps in the order of their use: development, then round by round the rest."""
    steps = [step for data in DATASETS for step in development(data)]
    for number in range(1, ROUNDS + 1):
        for data in DATASETS:
            steps += [*small_networks(data, number), *published_network(data, number)]
    return steps
