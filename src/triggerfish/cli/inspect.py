"""``triggerfish inspect``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from triggerfish.cli.exit_codes import USAGE
from triggerfish.cli.options import loading_options, take_load_options
from triggerfish.errors import TriggerfishError
from triggerfish.loading.discovery import local
from triggerfish.loading.inspection import Inspection, inspect_model
from triggerfish.structure.opening import look
from triggerfish.structure.weighing import described


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
    branches = _branches(model) if found.problem is None else ()
    as_format = _as_json if output_format == "json" else _as_text
    click.echo(as_format(found, branches))
    if found.problem is not None:
        click.echo(f"error: {found.problem}", err=True)
        ctx.exit(USAGE)


def _branches(model: Path) -> tuple[str, ...]:
    """What in a program's graph decides beside the learned layers, proven or not."""
    try:
        structure = look(local(model))
    except TriggerfishError as error:
        return (f"not looked at: {error}",)
    return () if structure is None else tuple(map(described, structure.findings))


def _as_text(found: Inspection, branches: tuple[str, ...]) -> str:
    """Facts, a program's branches, what is assumed, networks, the other readings, and all keys."""
    return "\n".join(
        [
            *_columns([(name, value) for name, value in found.facts.items()]),
            *(["\ndecides beside the learned layers:"] if branches else []),
            *(f"  {words}" for words in branches),
            *_section("assumed", [(a.name, f"{a.value} ({a.because})") for a in found.assumptions]),
            *_section("networks in the file", [(key or "itself", s) for key, s in found.networks]),
            *_section("plausible readings", [(f"{i}", r) for i, r in _numbered(found.readings)]),
            *_section("keys", [(k.name, f"{k.dtype} {list(k.shape)}") for k in found.keys]),
        ]
    )


def _numbered(readings: tuple[str, ...]) -> list[tuple[int, str]]:
    return list(enumerate(readings, 1)) if len(readings) > 1 else []


def _section(title: str, rows: list[tuple[str, str]]) -> list[str]:
    return [f"\n{title}:", *(f"  {line}" for line in _columns(rows))] if rows else []


def _columns(rows: list[tuple[str, str]]) -> list[str]:
    width = max((len(name) for name, _ in rows), default=0)
    return [f"{name:<{width}}  {value}" for name, value in rows]


def _as_json(found: Inspection, branches: tuple[str, ...]) -> str:
    further = {
        "problem": found.problem,
        "branches": list(branches),
        "assumptions": [asdict(item) for item in found.assumptions],
        "readings": list(found.readings),
        "networks": [{"key": key, "state": state} for key, state in found.networks],
        "keys": [asdict(key) for key in found.keys],
    }
    return json.dumps({"schema_version": 1, **found.facts, **further}, indent=2)
