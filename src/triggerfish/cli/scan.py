"""``triggerfish scan``."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import click

from triggerfish.cli.checks import some_exist
from triggerfish.cli.detector_options import (
    PUBLISHED,
    judgement_options,
    scan_config,
    settings_options,
)
from triggerfish.cli.exit_codes import exit_code
from triggerfish.cli.option_groups import GroupedCommand
from triggerfish.cli.options import loading_options, take_load_options
from triggerfish.cli.progress import echo, track
from triggerfish.cli.report_options import given_words, report_options, take_reporting
from triggerfish.cli.run_options import run_options, take_run_options
from triggerfish.detectors import DETECTORS
from triggerfish.reports import FORMATS
from triggerfish.reports.html import REPORT
from triggerfish.reports.summary import outcome, summarize
from triggerfish.reports.text import printable
from triggerfish.results import Scanned, Skipped
from triggerfish.runs.files import Batch, FileScan
from triggerfish.runs.run import Row
from triggerfish.runtime import use_one_thread

COMMON = (
    "out", "output_format", "html", "jobs", "fast", "detector", "reference", "images", "accept",
    "fail_on", "arch", "input_shape", "mean", "std", "device",
)  # fmt: skip
MOST_PAGES = 5  # of flagged models that are named after a scan
MOST_LEFT = 3  # of models that are named after an interrupt


@click.command("scan", cls=GroupedCommand, common=COMMON)
@click.argument("paths", nargs=-1, metavar="PATH...", type=click.Path(path_type=Path),
                callback=some_exist)  # fmt: skip
@click.option("--format", "output_format", type=click.Choice(list(FORMATS)), default="table",
              help="What goes to stdout.")  # fmt: skip
@click.option("--detector", type=click.Choice(list(DETECTORS)), help="Which statistic.")
@click.option("--preset", type=click.Choice([PUBLISHED]), help="All settings as published.")
@settings_options
@judgement_options
@loading_options
@run_options
@report_options
@click.option("--confirm/--no-confirm", "confirmation", default=True,
              help="A confirmation test of flagged classes that nothing else settles.")  # fmt: skip
@click.option(
    "--untargeted/--no-untargeted",
    default=True,
    help="Where no target is found on a known task, also search for triggers for one source class, "
    "and for all.",
)
@click.option("--seed", type=int, default=0, help="Seed of what is random.")
@click.pass_context
def scan_command(
    ctx: click.Context,
    /,
    paths: tuple[Path, ...],
    output_format: str,
    detector: str | None,
    preset: str | None,
    confirmation: bool,
    untargeted: bool,
    seed: int,
    **values: Any,  # noqa: ANN401
) -> None:
    """Scan model files, and folders of them, for backdoors.

    Exits with 0 when nothing was flagged, 1 when a model was, 2 when nothing could be scanned,
    3 when a verdict is inconclusive or a file was skipped, 4 when a file would run code.
    """
    use_one_thread()
    reporting = take_reporting(ctx, values, paths)
    options = take_run_options(values)
    loading = take_load_options(values)
    config = scan_config(detector, preset, seed, values)
    config = replace(config, confirm=confirmation, untargeted=untargeted)
    batch = FileScan(
        config=config,
        out=options.out,
        rescan=options.rescan,
        shard=options.shard,
        jobs=options.jobs,
        timeout=options.timeout,
        executor=options.executor(loading.device),
        images=reporting.images,
        complete=reporting.complete,
        acceptances=reporting.acceptance.acceptances,
    ).start(options.sources(paths, loading), reporting.about.other_files)
    if not reporting.about.quiet:
        _say_what_is_there(batch)
    outcomes, pages = list[str](), Pages(options.out, reporting.html)
    try:
        with closing(batch.rows()) as rows:
            shown = track(rows, batch.count, "scanning", is_flagged, quiet=reporting.about.quiet)
            results = _counted(map(reporting.show, pages.noted(shown)), outcomes)
            for piece in FORMATS[output_format](results, reporting.about):
                echo(piece, nl=False)
    except KeyboardInterrupt:
        click.echo(_what_is_left(ctx, batch.left(len(outcomes)), options.out), err=True)
        raise
    reporting.finish()
    summary = summarize(outcomes, reporting.about.other_files)
    if not reporting.about.quiet:
        if output_format != "table":
            click.echo(str(summary), err=True)
        for line in pages.lines():
            click.echo(line, err=True)
        no_page = not (options.out or reporting.html or summary.flagged)
        whole = summary.scanned and len(outcomes) == batch.count
        if output_format == "table" and whole and no_page:
            click.echo("for a page with the evidence, add --out FOLDER", err=True)
    if len(outcomes) < batch.count:
        click.echo(_what_is_left(ctx, batch.left(len(outcomes)), options.out), err=True)
        raise click.Abort
    unused = options.shard is None and not reporting.about.quiet
    for line in reporting.acceptance.lines(date.today(), unused=unused):
        click.echo(line, err=True)
    if not batch.models:  # a share of few models may have none, and fails nothing
        click.echo(f"no model falls into shard {options.shard}: nothing to do", err=True)
    ctx.exit(exit_code(summary, reporting.fail_on) if batch.models else 0)


def is_flagged(row: Row) -> bool:
    """Whether a row counts as a flag."""
    return outcome(row.result) == "backdoored"


def _say_what_is_there(batch: Batch) -> None:
    taken_over = len(batch.models) - batch.todo
    if taken_over and batch.folder is not None:
        count, out = len(batch.models), batch.folder.path
        click.echo(f"{taken_over} of {count} already scanned ({out})", err=True)


def _what_is_left(ctx: click.Context, missing: list[Path], out: Path | None) -> str:
    """What an interrupted scan has not reached, and the command that goes on."""
    said = f"not reached: {len(missing)} model{'' if len(missing) == 1 else 's'}"
    if missing:
        more = ", ..." if len(missing) > MOST_LEFT else ""
        said += f" ({', '.join(printable(path) for path in missing[:MOST_LEFT])}{more})"
    if out is None:
        return f"{said}. Without --out nothing is kept: add --out FOLDER to go on another time"
    paths = [str(path) for path in ctx.params["paths"]]
    return f"{said}. To go on: {shlex.join([*given_words(ctx), *paths])}"


def _counted(
    results: Iterator[Scanned | Skipped], outcomes: list[str]
) -> Iterator[Scanned | Skipped]:
    """Results, counted; an interrupt ends the results, not the report."""
    try:
        for result in results:
            outcomes.append(outcome(result))
            yield result
    except KeyboardInterrupt:
        return


class Pages:
    """Where to read on after a scan: what has a page in the run folder ``out`` or in ``html``."""

    def __init__(self, out: Path | None, html: Path | None) -> None:
        self._out, self._html = out, html
        self._flagged: list[Row] = []

    def noted(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Pass rows on; those with a flag are kept in mind."""
        for row in rows:
            if outcome(row.result) == "backdoored" and len(self._flagged) < MOST_PAGES:
                self._flagged.append(row)
            yield row

    def lines(self) -> Iterator[str]:
        """One line a page; how to get one where something is flagged and there is none."""
        for row in self._flagged if self._out is not None else ():
            if self._out is not None and row.folder is not None:
                yield f"page of {printable(row.path)}: {printable(self._out / row.folder / REPORT)}"
        if self._out is not None:
            yield f"page of all models: {printable(self._out / REPORT)}"
        if self._html is not None:
            yield f"page of all models: {printable(self._html)}"
        if self._flagged and self._out is None and self._html is None:
            yield "for a page that shows the pattern: scan again with --out FOLDER"
