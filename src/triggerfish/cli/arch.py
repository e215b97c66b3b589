"""``triggerfish arch``: definitions of networks that the catalogue does not have."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from triggerfish.errors import OutputError
from triggerfish.loading.draft import MARK, Draft, draft_architecture


@click.group("arch")
def arch() -> None:
    """Draft the network of a state dict that no known one fits."""


@arch.command("init")
@click.argument("model", type=click.Path(exists=True, path_type=Path))
@click.option("--force", is_flag=True, help="Replace a draft that is there.")
def init_command(model: Path, force: bool) -> None:
    """Write MODEL_arch.py: a class that the weights in MODEL fill, to edit and pass to --arch.

    What the file cannot tell stands in marked lines, with the alternatives that fit its shapes.
    """
    target = model.with_name(f"{model.stem}_arch.py")
    if target.exists() and not force:
        raise OutputError(f"{target}: there is a draft already. Edit it, or pass --force")
    draft = draft_architecture(model)
    try:
        target.write_text(draft.source, "utf-8")
    except OSError as error:
        raise OutputError(
            f"{target} cannot be written ({error.strerror}): check the folder's permissions"
        ) from error
    click.echo(target)
    click.echo(_next_steps(model, target, draft), err=True)


def _next_steps(model: Path, target: Path, draft: Draft) -> str:
    fitting = f"{len(draft.chains)} plain chains fit the shapes; {target.name} lists them\n"
    return (
        f"{fitting if draft.chains else ''}"
        f"{draft.choices} lines marked {MARK} are what the file cannot tell; edit them, then run\n"
        f"triggerfish scan {shlex.quote(str(model))} --arch {shlex.quote(f'{target}:Network')}"
    )
