"""``triggerfish card``: model cards beside checkpoints."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from triggerfish.cli.options import loading_options, take_load_options
from triggerfish.errors import OutputError, UnsupportedModelError
from triggerfish.loading import Hints, LoadOptions, open_readings
from triggerfish.loading.card import card_paths, write_card


@click.group("card")
def card() -> None:
    """Write model cards, which say what a checkpoint does not: shape, mean, std, classes."""


@card.command("init")
@click.argument("model", type=click.Path(exists=True, path_type=Path))
@click.option("--force", is_flag=True, help="Replace a card that is there.")
@loading_options
def init_command(model: Path, force: bool, **values: Any) -> None:  # noqa: ANN401
    """Write MODEL.card.toml with what is known about MODEL; what is not is left to fill in."""
    target = card_paths(model)[0]
    if target.exists() and not force:
        raise OutputError(f"{target}: there is a model card already. Edit it, or pass --force")
    text = write_card(*_known(model, take_load_options(values)))
    try:
        target.write_text(text, "utf-8")
    except OSError as error:
        raise OutputError(
            f"{target} cannot be written ({error.strerror}): check the folder's permissions"
        ) from error
    click.echo(target)


def _known(model: Path, options: LoadOptions) -> tuple[Hints, tuple[Hints, ...]]:
    """What loading finds out and what it guesses, or only what was given when it does not load."""
    try:
        readings = open_readings(model, options)
    except UnsupportedModelError as error:
        click.echo(f"not loaded yet ({error}): fill in the card", err=True)
        return options.given, ()
    classifier = readings[0].classifier
    known = readings[0].settings.known()
    guesses = tuple(reading.settings.merged() for reading in readings)
    return replace(known, num_classes=classifier.num_classes), guesses
