"""``triggerfish report``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from itertools import chain
from pathlib import Path

import click

from triggerfish.acceptance import apply_acceptances, read_acceptances
from triggerfish.cli.exit_codes import FAIL_ON, exit_code
from triggerfish.cli.report_options import Usage
from triggerfish.cli.terminal import about_terminal, screen_options
from triggerfish.reports import FORMATS
from triggerfish.reports.json_report import json_schema
from triggerfish.reports.summary import outcome, summarize
from triggerfish.results import Scanned, Skipped
from triggerfish.runs.folder import read_any


def _print_schema(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        click.echo(json_schema(), nl=False)
        ctx.exit()


@click.command("report")
@click.argument(
    "results",
    nargs=-1,
    required=True,
    metavar="RESULTS...",
    type=click.Path(exists=True, path_type=Path),
)
@click.option("--format", "output_format", type=click.Choice(list(FORMATS)), default="table",
              help="What goes to stdout.")  # fmt: skip
@click.option("--fail-on", type=click.Choice(FAIL_ON), default=FAIL_ON[-1],
              help="The least finding that makes the exit code other than 0.")  # fmt: skip
@click.option("--schema", is_flag=True, is_eager=True, expose_value=False, callback=_print_schema,
              help="Print the JSON Schema of json and jsonl, and exit.")  # fmt: skip
@click.option("--accept", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="TOML file of accepted files: sha256, reason, until.")  # fmt: skip
@screen_options
@click.pass_context
def report_command(
    ctx: click.Context,
    /,
    results: tuple[Path, ...],
    output_format: str,
    fail_on: str,
    accept: Path | None,
    quiet: bool,
    verbose: bool,
) -> None:
    """Make any report again from stored results, without scanning.

    RESULTS are folders that scan --out has filled, or files of --format json or jsonl. Exits as
    scan does.
    """
    outcomes: list[str] = []
    accepted, today = ({} if accept is None else read_acceptances(accept)), date.today()
    # What is no result is said before anything is printed.
    begun = [(next(found, None), found) for found in map(read_any, results)]
    stored = (r for first, rest in begun if first is not None for r in chain([first], rest))
    usage = Usage(accept, accepted)
    shown = _counted((apply_acceptances(r, accepted, today) for r in stored), outcomes, usage)
    for piece in FORMATS[output_format](shown, about_terminal(quiet=quiet, verbose=verbose)):
        click.echo(piece, nl=False)
    for line in usage.lines(today, unused=not quiet):
        click.echo(line, err=True)
    ctx.exit(exit_code(summarize(outcomes), fail_on))


def _counted(
    results: Iterable[Scanned | Skipped], outcomes: list[str], usage: Usage
) -> Iterator[Scanned | Skipped]:
    for result in results:
        outcomes.append(outcome(result))
        usage.note(result)
        yield result
