"""``triggerfish calibrate``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, get_args

import click

from triggerfish.calibrate import collection_from, reference_from, same_task_from
from triggerfish.cli.detector_options import scan_config, settings_options
from triggerfish.cli.option_groups import GroupedCommand
from triggerfish.cli.options import loading_options, take_load_options
from triggerfish.cli.progress import track
from triggerfish.cli.threads import jobs_option
from triggerfish.detectors import DETECTORS
from triggerfish.files import ensure_writable, write_file
from triggerfish.references.population import Reference, ReferenceKind
from triggerfish.references.store import render_reference
from triggerfish.runs.files import FileScan, find_sources
from triggerfish.runs.outcome import load_likeliest
from triggerfish.runtime import use_one_thread
from triggerfish.scanning import ScanConfig

COMMON = (
    "out", "name", "recipe", "kind", "detector", "fast", "jobs", "arch", "input_shape", "mean",
    "std", "device", "seed",
)  # fmt: skip


@click.command("calibrate", cls=GroupedCommand, common=COMMON)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True,
              help="File for the reference.")  # fmt: skip
@click.option("--name", help="What the models are; the folder's name by default.")
@click.option(
    "--recipe",
    default="",
    help="How the models were trained, in words; p-values hold for models made alike.",
)
@click.option(
    "--kind",
    type=click.Choice(get_args(ReferenceKind)),
    default="same-recipe",
    show_default=True,
    help="What the models share: the network and how it was trained; only the task, to compare "
    "each class with theirs; or nothing, to compare the highest score.",
)
@click.option("--detector", type=click.Choice(list(DETECTORS)), help="Which statistic.")
@settings_options
@loading_options
@jobs_option("Models scanned at a time", fewer=True)
@click.option("--seed", type=int, default=0, help="Seed of what is random.")
def calibrate_command(
    folder: Path,
    out: Path,
    name: str | None,
    recipe: str,
    kind: ReferenceKind,
    detector: str | None,
    jobs: int | None,
    seed: int,
    **values: Any,  # noqa: ANN401
) -> None:
    """Turn clean models into a reference: thresholds and p-values for models like them.

    FOLDER holds models that are known to be clean, of one network, task and recipe unless --kind
    says otherwise. Give the file to `triggerfish scan --reference`.
    """
    use_one_thread()
    options = take_load_options(values)
    load = partial(load_likeliest, options)
    config = scan_config(detector, None, seed, values)
    ensure_writable(out.parent)
    if out.is_dir():
        raise click.UsageError(f"--out takes a file, and {out} is a folder: name a file in it")
    batch = FileScan(config, jobs=jobs, load=load_likeliest).start(find_sources([folder], options))
    results = (row.result for row in batch.rows())
    tracked, name = track(results, batch.count, "scanning"), name or folder.absolute().name
    try:
        if kind == "any-network":
            reference = collection_from(tracked, name, config, recipe)
        elif kind == "same-task":
            reference = same_task_from(tracked, name, config, load, recipe)
        else:
            reference = reference_from(tracked, name, config, load, recipe)
    except ValueError as error:
        raise click.UsageError(f"{folder}: {error}") from error
    write_file(out, render_reference(reference).encode())
    click.echo(f"{out}: {_worth(reference, config)}")


def _worth(reference: Reference, config: ScanConfig) -> str:
    """What a verdict by the reference can say."""
    if reference.kind == "same-task":
        highest = float(reference.clean_maxima()[-1])
        return f"{reference.size} clean networks, highest score above a class's mean {highest:.3f}"
    if not reference.is_calibrated:
        highest = float(reference.raw_maxima().max())
        return f"{reference.size} clean networks, highest score {highest:.3f}"
    rate = config.judge.false_positive_rate
    threshold = reference.threshold(rate)
    return (
        f"{reference.size} clean models, threshold {threshold:.3f} at a false-positive "
        f"rate of {rate:g}, smallest p-value {reference.smallest_p_value:.2g}"
    )
