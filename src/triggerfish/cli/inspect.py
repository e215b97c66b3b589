"""``triggerfish inspect``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from triggerfish.cli.exit_codes import USAGE
from triggerfish.cli.options import loading_options, take_load_options
from triggerfish.loading.inspection import Inspection, inspect_model


@click.command("inspect")
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="What goes to stdout.",
)
@loading_options
@click.pass_context
def inspect_command(
    ctx: click.Context,
    /,
    model: Path,
    output_format: str,
    **values: Any,  # noqa: ANN401
) -> None:
    """Say what a model file is and whether it can be scanned, without scanning it.

    Exits with 0 when it can be scanned, with 2 when it cannot.
    """
    found = inspect_model(model, take_load_options(values))
    click.echo(_as_json(found) if output_format == "json" else _as_text(found))
    if found.problem is not None:
        click.echo(f"error: {found.problem}", err=True)
        ctx.exit(USAGE)


def _as_text(found: Inspection) -> str:
    width = max(map(len, found.facts))
    return "\n".join(f"{name:<{width}}  {value}" for name, value in found.facts.items())


def _as_json(found: Inspection) -> str:
    return json.dumps({"schema_version": 1, **found.facts, "problem": found.problem}, indent=2)
