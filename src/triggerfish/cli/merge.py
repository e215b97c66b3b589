"""``triggerfish merge``."""

from __future__ import annotations

from pathlib import Path

import click

from triggerfish.runs.merge import merge

_folder = click.Path(path_type=Path)


@click.command("merge")
@click.argument("target", type=_folder)
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=_folder)
def merge_command(target: Path, runs: tuple[Path, ...]) -> None:
    """Put run folders together in TARGET: what the shards of a scan have found.

    A model that TARGET has already is not copied; its other names are.
    """
    merged = merge(target, runs)
    click.echo(f"{target}: {merged.added} models added, {merged.present} already there")
