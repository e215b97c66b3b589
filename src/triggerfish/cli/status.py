"""``triggerfish status``."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import click

from triggerfish.runs.status import RunStatus, read_status


@click.command("status")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--format", "output_format", type=click.Choice(["text", "json"]), default="text",
              help="What goes to stdout.")  # fmt: skip
def status_command(run: Path, output_format: str) -> None:
    """Say how far a run folder is: counts, rate and time left, also while a scan writes it."""
    status = read_status(run)
    click.echo(json.dumps(asdict(status)) if output_format == "json" else _as_text(status))


def _as_text(status: RunStatus) -> str:
    total = "" if status.models is None else f" of {status.models}"
    lines = [
        f"{status.done}{total} models done",
        f"{status.flagged} flagged, {status.inconclusive} inconclusive, {status.clean} clean, "
        f"{status.skipped} skipped, {status.failed} failed",
    ]
    if status.rate is not None:
        lines.append(f"{60 * status.rate:.1f} models a minute")
    if status.seconds_left:
        lines.append(f"{timedelta(seconds=round(status.seconds_left))} left at that rate")
    elif status.seconds_left is None and status.rate is not None and status.models is not None:
        left = status.models - status.done
        lines.append(f"interrupted, {left} left: the same scan command again goes on")
    if status.damaged_lines:
        lines.append(f"{status.damaged_lines} damaged lines: their models are scanned again")
    return "\n".join(lines)
