"""``triggerfish scan``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import click

from triggerfish.cli.detector_options import (
    PUBLISHED,
    judgement_options,
    scan_config,
    settings_options,
)
from triggerfish.cli.exit_codes import exit_code
from triggerfish.cli.options import loading_options, take_load_options
from triggerfish.cli.progress import track
from triggerfish.cli.threads import processes, use_one_thread
from triggerfish.detectors import DETECTORS
from triggerfish.loading import (
    LoadedModel,
    LoadOptions,
    find_checkpoints,
    open_candidates,
    open_model,
)
from triggerfish.model.classifier import Classifier
from triggerfish.reports import FORMATS
from triggerfish.reports.summary import outcome, summarize
from triggerfish.results import Scanned, Skipped
from triggerfish.scanning import scan_paths
from triggerfish.writer import ensure_writable, result_folder, write_artefacts


@click.command("scan")
@click.argument(
    "paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(path_type=Path)
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder for images, plots and tables.")
@click.option("--format", "output_format", type=click.Choice(list(FORMATS)), default="table",
              help="What goes to stdout.")  # fmt: skip
@click.option("--detector", type=click.Choice(list(DETECTORS)), help="Which statistic.")
@click.option("--preset", type=click.Choice([PUBLISHED]), help="All settings as published.")
@settings_options
@judgement_options
@loading_options
@click.option(
    "--jobs",
    type=click.IntRange(1),
    show_default="number of cores, fewer for a few models",
    help="Models scanned at a time, each in a process of one thread.",
)
@click.option("--seed", type=int, default=0, help="Seed of what is random.")
@click.pass_context
def scan_command(
    ctx: click.Context,
    /,
    paths: tuple[Path, ...],
    out: Path | None,
    output_format: str,
    detector: str | None,
    preset: str | None,
    jobs: int | None,
    seed: int,
    **values: Any,  # noqa: ANN401
) -> None:
    """Scan model files, and folders of them, for backdoors.

    Exits with 0 when nothing was flagged, 1 when a model was, 2 when nothing could be scanned,
    3 when a verdict is inconclusive or a file was skipped.
    """
    use_one_thread()
    load = partial(load_readings, take_load_options(values))
    config = scan_config(detector, preset, seed, values)
    if out is not None:
        ensure_writable(out)
    checkpoints = find_checkpoints(paths)
    if not checkpoints:
        raise click.UsageError("expected model files in PATH, got a folder without any")
    outcomes: list[str] = []
    results = track(
        scan_paths(checkpoints, config, load=load, jobs=processes(jobs, len(checkpoints))),
        len(checkpoints),
        "scanning",
    )
    for piece in FORMATS[output_format](_keep(results, out, outcomes)):
        click.echo(piece, nl=False)
    summary = summarize(outcomes)
    if output_format != "table":
        click.echo(str(summary), err=True)
    if len(outcomes) < len(checkpoints):
        raise click.Abort
    ctx.exit(exit_code(summary))


def load_model(options: LoadOptions, path: Path) -> Classifier:
    """The likeliest reading, for commands that take one; at the top level like the next."""
    return open_model(path, options).classifier


def load_readings(options: LoadOptions, path: Path) -> tuple[LoadedModel, ...]:
    """Load by the loading options; at the top level, so that worker processes find it."""
    return open_candidates(path, options)


def _keep(
    results: Iterable[Scanned | Skipped], out: Path | None, outcomes: list[str]
) -> Iterator[Scanned | Skipped]:
    """Write each result's files as it comes; an interrupt ends the results, not the report."""
    try:
        for result in results:
            if out is not None and isinstance(result, Scanned) and result.path is not None:
                write_artefacts(result, result_folder(out, result.path))
            outcomes.append(outcome(result))
            yield result
    except KeyboardInterrupt:
        return
