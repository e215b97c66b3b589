"""Scans networks of other people, of which the truth is known.

    python -m benchmarks.strangers scan FOLDER --split develop [--detector ensemble] [--jobs 2]
    python -m benchmarks.strangers reference [--detector ensemble]
    python -m benchmarks.strangers check FOLDER [--detector ensemble] [--count 10]

FOLDER is described in corpus.py; the code in it is run. Constants are chosen on the split
*develop*; *report* is for the tables. Resumable: a network is scanned again when the detector's
settings or thresholds have changed, or with ``--again``. Neural Cleanse is given test images of the
data set (``--data-root``); *neural-cleanse-pictures* as many synthetic images instead.
Results: results/strangers, a file a detector (one process a file, please). ``reference`` makes what
ships as the scores of any clean network from those of the clean *develop* ones. ``check`` is the
guard of a change that must not change an answer: it scans some networks again, the fastest first,
and fails where an answer is not the one in the committed row.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import click
import numpy as np

from benchmarks.corpus import Record, classifier_of, records
from benchmarks.detection import NEURAL_CLEANSE, SCANS
from benchmarks.make_references import REFERENCES
from benchmarks.neural_cleanse import (
    NeuralCleanseConfig,
    clean_images,
    procedural_images,
    scan_with_images,
)
from benchmarks.stranger_rows import FOLDER, Row, differences, read_rows, row_of, write_rows
from triggerfish.detectors import DETECTORS
from triggerfish.levels import LEVELS
from triggerfish.model.classifier import Classifier
from triggerfish.parallel import in_processes
from triggerfish.references.making import make_any_network_reference
from triggerfish.references.store import render_reference
from triggerfish.results import Scanned
from triggerfish.scanning import scan_classifier
from triggerfish.zoo.data.datasets import load_dataset

DEVELOP, REPORT = "develop", "report"
ON_PICTURES = f"{NEURAL_CLEANSE}-pictures"
METHODS = (*SCANS, NEURAL_CLEANSE, ON_PICTURES)
IMAGES_PER_CLASS = 100
UNTIMED = 10.0  # seconds that a network is taken to need which was never scanned

_FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


def setup_of(method: str) -> str:
    """Short hash of what decides a method's answers: its settings and thresholds."""
    return hashlib.sha256(json.dumps(_settings(method)).encode()).hexdigest()[:8]


def _settings(method: str) -> object:
    if method not in SCANS:
        return [asdict(NeuralCleanseConfig()), IMAGES_PER_CLASS]
    config = SCANS[method]
    made = config.detector
    levels = [
        [*key, level.flag_at, level.suspect_at]
        for key, level in LEVELS.items()
        if key[0] == made.scored_by
    ]
    return [config.as_plain(), repr(made.outlier_test), levels]


def answer(
    record: Record, folder: Path, method: str, setup: str, data_root: Path | None = None
) -> Row:
    """Scan one network."""
    classifier = classifier_of(folder, record)
    before = time.process_time()
    result = _scanned(classifier, record["data"], method, data_root)
    return row_of(record, setup, result, time.process_time() - before)


def _scanned(classifier: Classifier, data: str, method: str, data_root: Path | None) -> Scanned:
    if method == NEURAL_CLEANSE:
        images = clean_images(load_dataset(data, "test", data_root), IMAGES_PER_CLASS)
        return scan_with_images(classifier, images)
    if method == ON_PICTURES:
        count = IMAGES_PER_CLASS * classifier.num_classes
        return scan_with_images(classifier, procedural_images(classifier, count))
    return scan_classifier(classifier, SCANS[method])


def waiting(
    found: Sequence[Record], rows: Mapping[str, Row], setup: str, only: str = ""
) -> list[Record]:
    """The records that have ``only`` in their id, and no row of this setup: the fastest first."""
    done = {key for key, row in rows.items() if row.setup == setup}
    todo = [r for r in found if only in r["id"] and r["id"] not in done]
    return sorted(todo, key=lambda r: rows[r["id"]].cpu_seconds if r["id"] in rows else UNTIMED)


@click.group()
def main() -> None:
    """Networks of other people."""


@main.command()
@click.argument("folder", type=_FOLDER)
@click.option("--split", type=click.Choice([DEVELOP, REPORT]), required=True)
@click.option("--detector", type=click.Choice(METHODS), default="ensemble", show_default=True)
@click.option("--only", default="", help="What an id must contain.")
@click.option("--again", is_flag=True, help="Also what has a result of this setup.")
@click.option("--jobs", type=int, default=1, show_default=True)
@click.option("--data-root", type=_FOLDER, help="Data sets, for Neural Cleanse.")
@click.option("--out", type=click.Path(path_type=Path), default=FOLDER, help="Folder of results.")
def scan(
    folder: Path,
    split: str,
    detector: str,
    only: str,
    again: bool,
    jobs: int,
    data_root: Path | None,
    out: Path,
) -> None:
    """Scan the networks that have no result yet."""
    rows, setup = read_rows(detector, out), "" if again else setup_of(detector)
    todo = waiting(records(folder, split), rows, setup, only)
    click.echo(f"{detector}: {len(todo)} to scan", err=True)
    work = partial(
        answer, folder=folder, method=detector, setup=setup_of(detector), data_root=data_root
    )
    with in_processes(work, todo, jobs) as done:
        for count, one in enumerate(done, 1):
            if one.result is None:
                raise click.ClickException(f"{one.item['id']}: {one.loss}")
            row = rows[one.result.id] = one.result
            write_rows(detector, rows, out)
            found = "all" if row.all_flagged else list(row.flagged)
            line = f"{row.id}: {row.verdict} {found}, truth {list(row.targets)}"
            click.echo(f"{count}/{len(todo)} {line}, {row.cpu_seconds:.1f} s", err=True)


@main.command()
@click.argument("folder", type=_FOLDER)
@click.option("--detector", type=click.Choice(list(SCANS)), default="ensemble", show_default=True)
@click.option("--only", default="", help="What an id must contain.")
@click.option("--count", type=int, default=10, show_default=True, help="Networks to scan.")
@click.option("--out", type=click.Path(path_type=Path), default=FOLDER, help="Folder of results.")
def check(folder: Path, detector: str, only: str, count: int, out: Path) -> None:
    """Scan networks again, and compare the answers with the rows that there are."""
    rows, setup = read_rows(detector, out), setup_of(detector)
    known = {
        record["id"]: record
        for split in (DEVELOP, REPORT)
        for record in records(folder, split)
        if only in record["id"] and record["id"] in rows
    }
    old_setups = sum(rows[key].setup != setup for key in known)
    if old_setups:
        click.echo(
            f"{old_setups} of {len(known)} rows are of other settings or levels: of those only the "
            "verdicts are compared",
            err=True,
        )
    changed = 0
    for key in sorted(known, key=lambda key: rows[key].cpu_seconds)[:count]:
        found = differences(rows[key], answer(known[key], folder, detector, setup))
        changed += bool(found)
        click.echo(f"{key}: {'; '.join(found) or 'as before'}")
    if changed or not known:
        raise click.ClickException(f"{changed} answers differ, {len(known)} networks have a row")


@main.command()
@click.option("--detector", type=click.Choice(list(DETECTORS)), default="ensemble")
@click.option("--out", type=click.Path(path_type=Path), default=FOLDER, help="Folder of results.")
@click.option("--to", type=click.Path(path_type=Path), default=REFERENCES, help="Where it goes.")
def reference(detector: str, out: Path, to: Path) -> None:
    """Write the scores of clean *develop* networks as a reference of any network."""
    setup = setup_of(detector)
    rows = [
        row
        for row in read_rows(detector, out).values()
        if row.split == DEVELOP and not row.attacked and row.setup == setup
    ]
    scores = [np.array(row.statistic, np.float64) for row in rows]
    kinds = ", ".join(
        f"{sum(row.data == data for row in rows)} {data}"
        for data in sorted({row.data for row in rows})
    )
    made = make_any_network_reference(
        "clean networks of other people",
        DETECTORS[detector](),
        [values for values in scores if np.isfinite(values).any()],
        f"public repositories: {kinds}",
    )
    path = to / f"any-network-{detector}.json"
    path.write_text(render_reference(made))
    click.echo(f"{path.name}: {made.size} networks, highest {made.raw_maxima().max():.3f}")


if __name__ == "__main__":
    main()
