"""``triggerfish card``: model cards beside checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from triggerfish.cli.options import loading_options, take_load_options
from triggerfish.errors import OutputError, UnsupportedModelError
from triggerfish.loading import Hints, LoadOptions, open_model
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
        raise OutputError(f"expected no model card yet, got {target}: edit it, or pass --force")
    text = write_card(_known(model, take_load_options(values)))
    try:
        target.write_text(text, "utf-8")
    except OSError as error:
        raise OutputError(
            f"expected to write {target}, got {error.strerror}: check the folder's permissions"
        ) from error
    click.echo(target)


def _known(model: Path, options: LoadOptions) -> Hints:
    """What loading finds out, or only what was given when the model does not load without more."""
    try:
        loaded = open_model(model, options)
    except UnsupportedModelError as error:
        click.echo(f"not loaded yet ({error}): fill in the card", err=True)
        return options.given
    classifier, found = loaded.classifier, loaded.settings.merged()
    return Hints(
        "card",
        architecture=found.architecture or loaded.builtin,
        arch_args=found.arch_args,
        input_shape=classifier.input_shape,
        num_classes=classifier.num_classes,
        output=found.output,
    ).with_preprocessing(classifier.preprocessing)
