"""``triggerfish calibrate``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from triggerfish.calibrate import reference_from
from triggerfish.cli.detector_options import scan_config, settings_options
from triggerfish.cli.option_groups import GroupedCommand
from triggerfish.cli.options import loading_options, take_load_options
from triggerfish.cli.progress import track
from triggerfish.cli.scan import load_model
from triggerfish.cli.threads import processes, use_one_thread
from triggerfish.detectors import DETECTORS
from triggerfish.loading import find_checkpoints
from triggerfish.scanning import scan_paths
from triggerfish.verdict.reference_file import render_reference
from triggerfish.writer import ensure_writable, write_file


@click.command("calibrate", cls=GroupedCommand)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True,
              help="File for the reference.")  # fmt: skip
@click.option("--name", help="What the models are; the folder's name by default.")
@click.option("--detector", type=click.Choice(list(DETECTORS)), help="Which statistic.")
@settings_options
@loading_options
@click.option(
    "--jobs",
    type=click.IntRange(1),
    show_default="number of cores, fewer for a few models",
    help="Models scanned at a time, each in a process of one thread.",
)
@click.option("--seed", type=int, default=0, help="Seed of what is random.")
def calibrate_command(
    folder: Path,
    out: Path,
    name: str | None,
    detector: str | None,
    jobs: int | None,
    seed: int,
    **values: Any,  # noqa: ANN401
) -> None:
    """Turn clean models into a reference: thresholds and p-values for models like them.

    FOLDER holds models that are known to be clean, of one network and task. Give the file to
    `triggerfish scan --reference`.
    """
    use_one_thread()
    load = partial(load_model, take_load_options(values))
    config = scan_config(detector, None, seed, values)
    ensure_writable(out.parent)
    checkpoints = find_checkpoints([folder])
    count = len(checkpoints)
    results = scan_paths(checkpoints, config, load=load, jobs=processes(jobs, count))
    try:
        reference = reference_from(
            track(results, count, "scanning"), name or folder.absolute().name, config, load
        )
    except ValueError as error:
        raise click.UsageError(f"{folder}: {error}") from error
    write_file(out, render_reference(reference).encode())
    rate = config.judge.false_positive_rate
    threshold = reference.threshold(rate)
    click.echo(
        f"{out}: {reference.size} clean models, threshold {threshold:.3f} at a false-positive "
        f"rate of {rate:g}, smallest p-value {reference.smallest_p_value:.2g}"
    )
