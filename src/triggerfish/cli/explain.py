"""``triggerfish explain``."""

from __future__ import annotations

from pathlib import Path

import click

from triggerfish.cli.terminal import about_terminal
from triggerfish.reports.explanation import explain
from triggerfish.results import Scanned
from triggerfish.runs.folder import read_any


@click.command("explain")
@click.argument("result", type=click.Path(exists=True, path_type=Path))
@click.option("--class", "wanted", metavar="CLASS", help="Number or name of the class; the most "
              "suspicious by default.")  # fmt: skip
def explain_command(result: Path, wanted: str | None) -> None:
    """Say everything about one class of a stored result.

    RESULT is the folder that scan --out has made for a model, or its result.json.
    """
    scanned = [found for found in read_any(result) if isinstance(found, Scanned)]
    if len(scanned) != 1:
        raise click.UsageError(
            f"{result} holds results of {len(scanned)} models: name the folder of one"
        )
    (only,) = scanned
    for line in explain(only, _class(only, wanted), about_terminal(quiet=False, verbose=False)):
        click.echo(line.rstrip() if "\x1b" not in line else line)


def _class(result: Scanned, wanted: str | None) -> int:
    index, count = result.verdict.anomaly_index, len(result.scores.status)
    if wanted is None:
        return max(range(count), key=lambda k: index[k] if index[k] == index[k] else float("-inf"))
    if wanted in result.class_names:
        return result.class_names.index(wanted)
    if wanted.isdecimal() and int(wanted) < count:
        return int(wanted)
    names = f", or named {result.class_names[0]} and so on" if result.class_names else ""
    raise click.UsageError(f"--class {wanted}: the classes are 0 to {count - 1}{names}")
