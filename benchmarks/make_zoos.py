"""Trains the models that the benchmarks scan, as a plan says; resumable.

    python -m benchmarks.make_zoos --root zoos --data-root ../data --part 1/2 &
    python -m benchmarks.make_zoos --root zoos --data-root ../data --part 2/2 &

``--plan full`` (zoo_plan.py) takes days of one core, ``--plan small`` (small_zoo_plan.py) a night.
ROOT/README.md says what is there (zoo_summary.py).
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from benchmarks.small_zoo_plan import small_plan
from benchmarks.task_zoo_plan import task_plan
from benchmarks.zoo_plan import Step, calibration_folder, full_plan
from benchmarks.zoo_summary import write_readme
from triggerfish.zoo.factory import Workshop, make_zoo, missing_models, reference_accuracy

PLANS = {"full": full_plan, "small": small_plan, "tasks": task_plan}


def part_of(steps: list[Step], part: int, parts: int) -> list[Step]:
    """The steps of one of several processes: a folder belongs to one process only."""
    folders = list(dict.fromkeys(step.folder for step in steps))
    # i + i // 2, because cheap and expensive folders alternate; so both parts take as long.
    mine = {folder for i, folder in enumerate(folders) if (i + i // 2) % parts == part - 1}
    return [step for step in steps if step.folder in mine]


def make(step: Step, root: Path, data_root: Path | None) -> None:
    """Train what a step's folder misses, one line a model on stderr."""
    data, architecture = step.folder.parts[0], next(iter(step.recipes.values())).architecture
    reference = reference_accuracy(root / data / calibration_folder(architecture), architecture)
    workshop = Workshop(root / step.folder, data_root, clean_reference=reference)
    for entry in make_zoo(step.resolved(root), workshop):
        asr = entry.attack_success_rate
        measured = f"{entry.clean_accuracy:.4f} {'-' if asr is None else f'{asr:.4f}'}"
        took = f"{entry.seconds:.0f} s"
        print(step.folder / entry.file, measured, entry.valid, took, file=sys.stderr, flush=True)
        write_readme(root)


@click.command()
@click.option("--root", type=click.Path(file_okay=False, path_type=Path), default=Path("zoos"))
@click.option("--data-root", type=click.Path(file_okay=False, path_type=Path))
@click.option("--plan", type=click.Choice(tuple(PLANS)), default="full", show_default=True)
@click.option("--part", default="1/1", help="K/N: the share of the K-th of N processes.")
@click.option("--only", multiple=True, help="Folders to make, as patterns; all by default.")
@click.option("--dry-run", is_flag=True, help="Only print how many models each folder misses.")
def main(
    root: Path, data_root: Path | None, plan: str, part: str, only: tuple[str, ...], dry_run: bool
) -> None:
    """Train the models of the detection benchmark that are not there yet."""
    number, _, parts = part.partition("/")
    steps = part_of(PLANS[plan](), int(number), int(parts))
    if only:
        steps = [step for step in steps if any(step.folder.match(pattern) for pattern in only)]
    if dry_run:
        for folder, step in {step.folder: step for step in steps}.items():
            missing = len(missing_models(step.resolved(root), Workshop(root / folder)))
            print(f"{folder}: {missing} of {len(step.recipes)} missing")
        return
    for step in steps:
        make(step, root, data_root)


if __name__ == "__main__":
    main()
