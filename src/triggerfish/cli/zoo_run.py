"""Runs a zoo factory for the command line: progress on stderr, one line at the end."""

from __future__ import annotations

from pathlib import Path

import click
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from triggerfish.zoo.factory import Workshop, make_zoo, missing_models, reference_accuracy
from triggerfish.zoo.recipes import Recipes


def run(
    recipes: Recipes, folder: Path, out: Path, data_root: Path | None, device: str, jobs: int
) -> None:
    """Train the missing models of a zoo in ``folder`` and say on stdout where it is.

    Clean models of the same data and network in ``out`` are what accuracies are compared with.
    """
    first = next(iter(recipes.values()))
    workshop = Workshop(
        folder=folder,
        data_root=data_root,
        device=known_device(device),
        jobs=jobs,
        clean_reference=reference_accuracy(out / f"clean_{first.data}_models", first.architecture),
    )
    missing = len(missing_models(recipes, workshop))
    with _progress() as progress:
        task = progress.add_task(folder.name, total=missing)
        for entry in make_zoo(recipes, workshop):
            asr = entry.attack_success_rate
            measured = f"accuracy {entry.clean_accuracy:.4f}"
            measured += "" if asr is None else f", ASR {asr:.4f}"
            progress.console.print(f"{entry.file}: {measured}, {entry.seconds:.0f} s")
            progress.advance(task)
    kept = len(recipes) - missing
    click.echo(f"{folder}: {missing} trained, {kept} already there")


def known_device(name: str) -> str:
    """The name of a device that PyTorch can use here; `click.BadParameter` otherwise."""
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise click.BadParameter(
            f"expected a device that works here, got {name} ({reason})", param_hint="--device"
        ) from error
    return name


def _progress() -> Progress:
    """A bar with the count and the time left, on stderr."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True, highlight=False, soft_wrap=True),
    )
