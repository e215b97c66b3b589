"""``triggerfish doctor``."""

from __future__ import annotations

import click

from triggerfish.cli.exit_codes import USAGE
from triggerfish.doctor import check_all

BROKEN = USAGE
MARKS = {"ok": "ok", "missing": "--", "broken": "!!"}


@click.command("doctor")
@click.pass_context
def doctor_command(ctx: click.Context) -> None:
    """Say what this installation can do: versions, devices, formats, sandbox, each with a fix.

    Exits with 0 when scans work, with 2 when something keeps them from it.
    """
    broken = False
    for check in check_all():
        broken = broken or check.state == "broken"
        click.echo(f"{MARKS[check.state]}  {check.name:<20}  {check.value}")
        if check.state != "ok":
            click.echo(f"    fix: {check.fix}")
    ctx.exit(BROKEN if broken else 0)
