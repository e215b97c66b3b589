"""Runs a zoo factory for the command line: progress on stderr, one line at the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import click

from triggerfish.cli.progress import echo, track
from triggerfish.zoo.factory import Workshop, make_zoo, missing_models, reference_accuracy
from triggerfish.zoo.manifest import Entry
from triggerfish.zoo.recipes import Recipe, Recipes
from triggerfish.zoo.trainings import usual_network


@dataclass(frozen=True)
class Place:
    """Where a zoo is made and from what: the options that do not change its models."""

    out: Path
    data_root: Path | None
    device: str
    jobs: int

    @staticmethod
    def of(options: Mapping[str, object]) -> Place:
        """The place that the options of a zoo command name, among others."""
        return Place(**{field.name: options[field.name] for field in fields(Place)})  # type: ignore[arg-type]


def run(recipes: Recipes, folder: str, place: Place) -> None:
    """Train the missing models of a zoo and say on stdout where it is.

    Clean models of the same data and network beside it are what accuracies are compared with.
    """
    first = next(iter(recipes.values()))
    workshop = Workshop(
        folder=place.out / folder,
        data_root=place.data_root,
        device=place.device,
        jobs=place.jobs,
        clean_reference=reference_accuracy(place.out / clean_folder(first), first.architecture),
    )
    missing = len(missing_models(recipes, workshop))
    try:
        for entry in track(make_zoo(recipes, workshop), missing, folder):
            echo(describe(entry), err=True)
    except ValueError as error:  # settings that do not fit the data, such as a trigger too large
        raise click.UsageError(str(error)) from error
    kept = len(recipes) - missing
    click.echo(f"{workshop.folder}: {missing} trained, {kept} already there")


def clean_folder(recipe: Recipe, variety: str = "published") -> str:
    """Where clean models of a data set, network and variety are made."""
    middle = "" if variety == "published" else f"_{variety}"
    return f"clean_{recipe.data}{network_suffix(recipe)}{middle}_models"


def network_suffix(recipe: Recipe) -> str:
    """What names a network in a folder: nothing for the usual one of its data set."""
    return "" if recipe.architecture == usual_network(recipe.data) else f"_{recipe.architecture}"


def describe(entry: Entry) -> str:
    """One model in one line."""
    asr = entry.attack_success_rate
    measured = f"accuracy {entry.clean_accuracy:.4f}" + ("" if asr is None else f", ASR {asr:.4f}")
    doubt = " (not valid)" if entry.valid is False else ""
    return f"{entry.file}: {measured}, {entry.seconds:.0f} s{doubt}"
