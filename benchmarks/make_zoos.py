"""Trains the models that benchmarks/detection.py scans; takes days of one core, resumable.

    python benchmarks/make_zoos.py --root zoos --data-root ../data --part 1/2 &
    python benchmarks/make_zoos.py --root zoos --data-root ../data --part 2/2 &

Splits keep what constants are chosen on apart from what is reported. Each has its own seeds:

    calibration   clean models that thresholds and p-values come from
    development   attacks and clean varieties to look at while choosing constants
    held-out      clean models, for false positives
    reporting     attacks and clean varieties, for everything else that is reported

Layout: ROOT/DATA/clean/SPLIT, ROOT/DATA/varieties/SPLIT/NAME, ROOT/DATA/attacks/SPLIT/NAME, each a
folder with a manifest. The work goes in rounds, so that a run that is stopped leaves every kind of
model represented; the published zoos (`triggerfish zoo clean|backdoor|dynamic`) are made apart.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from triggerfish.zoo.attacks import PRESETS
from triggerfish.zoo.factory import Workshop, make_zoo, missing_models, reference_accuracy
from triggerfish.zoo.recipes import Recipe, Recipes, attack_zoo, clean_zoo
from triggerfish.zoo.varieties import VARIETIES, variety

DATASETS = ("mnist", "fashion-mnist")
# No seed of one split is reached from another: a folder has at most 1,000 seeds from its first.
SEEDS = {"calibration": 100_000, "held-out": 200_000, "development": 300_000, "reporting": 400_000}
# Targets differ between the splits in their order, so that short runs see different ones.
TARGETS = {"development": (3, 8, 0, 5), "reporting": (7, 1, 4, 9, 2, 6, 0, 5)}
ROUNDS = 4
CLEAN_A_ROUND = 25
ATTACKS_A_ROUND = {"development": 1, "reporting": 2}
VARIETIES_A_ROUND = {"development": 1, "reporting": 1}


@dataclass(frozen=True)
class Step:
    """Models that one folder must hold after a round; a later round's are these and more."""

    folder: Path
    recipes: Recipes


def plan(data: str, round_number: int) -> Iterator[Step]:
    """The steps of a round (1 to `ROUNDS`) on one data set, folders relative to the root."""
    for split in ("calibration", "held-out"):
        base = Recipe(seed=SEEDS[split], data=data)
        yield Step(Path(data, "clean", split), clean_zoo(base, CLEAN_A_ROUND * round_number))
    for name, preset in PRESETS.items():
        for split, each in ATTACKS_A_ROUND.items():
            base = Recipe(seed=SEEDS[split], data=data, epochs=preset.epochs)
            recipes = attack_zoo(base, name, preset, TARGETS[split], each * round_number)
            yield Step(Path(data, "attacks", split, name), recipes)
    for name in (name for name in VARIETIES if name != "published"):
        for split, each in VARIETIES_A_ROUND.items():
            base = variety(name, Recipe(seed=SEEDS[split], data=data))
            recipes = clean_zoo(base, each * round_number)
            yield Step(Path(data, "varieties", split, name), recipes)


def full_plan() -> list[Step]:
    """All steps in the order of their use: each round on each data set."""
    return [
        step for number in range(1, ROUNDS + 1) for data in DATASETS for step in plan(data, number)
    ]


def part_of(steps: list[Step], part: int, parts: int) -> list[Step]:
    """The steps of one of several processes: a folder belongs to one process only."""
    folders = list(dict.fromkeys(step.folder for step in steps))
    # i + i // 2, because development and reporting folders alternate and differ in size.
    mine = {folder for i, folder in enumerate(folders) if (i + i // 2) % parts == part - 1}
    return [step for step in steps if step.folder in mine]


def make(step: Step, root: Path, data_root: Path | None) -> None:
    """Train what a step's folder misses, one line a model on stderr."""
    data, architecture = step.folder.parts[0], next(iter(step.recipes.values())).architecture
    reference = reference_accuracy(root / data / "clean" / "calibration", architecture)
    workshop = Workshop(root / step.folder, data_root, clean_reference=reference)
    for entry in make_zoo(step.recipes, workshop):
        asr = entry.attack_success_rate
        measured = f"{entry.clean_accuracy:.4f} {'-' if asr is None else f'{asr:.4f}'}"
        print(step.folder / entry.file, measured, entry.valid, file=sys.stderr, flush=True)


@click.command()
@click.option("--root", type=click.Path(file_okay=False, path_type=Path), default=Path("zoos"))
@click.option("--data-root", type=click.Path(file_okay=False, path_type=Path))
@click.option("--part", default="1/1", help="K/N: the share of the K-th of N processes.")
@click.option("--dry-run", is_flag=True, help="Only print how many models each folder misses.")
def main(root: Path, data_root: Path | None, part: str, dry_run: bool) -> None:
    """Train the models of the detection benchmark that are not there yet."""
    number, _, parts = part.partition("/")
    steps = part_of(full_plan(), int(number), int(parts))
    if dry_run:
        for folder, step in {step.folder: step for step in steps}.items():
            missing = len(missing_models(step.recipes, Workshop(root / folder)))
            print(f"{folder}: {missing} of {len(step.recipes)} missing")
        return
    for step in steps:
        make(step, root, data_root)


if __name__ == "__main__":
    main()
