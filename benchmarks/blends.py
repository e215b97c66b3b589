"""The smallest L2 perturbation of every class, on networks whose truth is known.

    python -m benchmarks.blends strangers FOLDER [--only blend] [--sure]
    python -m benchmarks.blends zoo ZOO [--half choose] [--sure]
    python -m benchmarks.blends table

FOLDER is described in `corpus`, ZOO in `task_zoo.train`. A line of ``results/blends.jsonl`` is one
network: its size in L2 and its score per class, and what share of the plain images each class has.
``--sure`` searches on images that the network is sure of instead. Resumable.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click
import torch

from benchmarks import measure
from benchmarks.common import RESULTS
from benchmarks.lines import append_line, read_lines
from triggerfish.detectors import Universal
from triggerfish.detectors.universal import SURE_SEED, sure_pool
from triggerfish.levels import BLENDS, level_of
from triggerfish.model.folding import folded
from triggerfish.search.batching import rows_that_fit
from triggerfish.stages.blends import (
    FEWEST_CLASSES,
    MOST_CLASSES,
    SEED,
    plain_images,
    search_blends,
)

FILE = RESULTS / "blends.jsonl"
Row = dict[str, Any]
_FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


@click.group()
def main() -> None:
    """Blended patterns."""


@main.command()
@click.argument("folder", type=_FOLDER)
@click.option("--only", default="", help="What an id must contain.")
@click.option("--sure", is_flag=True, help="On images that the network is sure of.")
def strangers(folder: Path, only: str, sure: bool) -> None:
    """Networks of other people, the smallest files first."""
    _measure(((name, make) for name, make in measure.strangers(folder) if only in name), sure)


@main.command()
@click.argument("zoo", type=_FOLDER)
@click.option("--half", type=click.Choice(["choose", "report"]), default="choose")
@click.option("--sure", is_flag=True, help="On images that the network is sure of.")
def zoo(zoo: Path, half: str, sure: bool) -> None:
    """Networks of the zoo of tasks."""
    _measure(measure.zoo_networks(zoo, half), sure)


@main.command()
def table() -> None:
    """How many are above each level, as Markdown."""
    click.echo("\n".join(lines(read_lines(FILE))))


def _measure(networks: Iterable[tuple[str, Any]], sure: bool) -> None:
    torch.set_num_threads(1)
    done = {row["id"] for row in read_lines(FILE) if row["sure"] == sure}
    for name, make in networks:
        if name in done:
            continue
        case = make()
        if FEWEST_CLASSES <= case.classifier.num_classes <= MOST_CLASSES:
            append_line(FILE, {"id": name, "sure": sure} | _row(case, sure))


def _row(case: measure.Case, sure: bool) -> Row:
    classifier, before = folded(case.classifier), time.process_time()
    rows = rows_that_fit(classifier, Universal().memory_mib)
    pool = sure_pool(classifier, SURE_SEED, rows) if sure else plain_images(classifier, SEED)
    found = search_blends(classifier, pool, SEED)
    seconds = time.process_time() - before
    called = torch.bincount(pool.called, minlength=classifier.num_classes)
    return case.truth | {
        "scores": {blend.target: round(blend.score, 3) for blend in found},
        "sizes": {blend.target: round(blend.size, 3) for blend in found},
        "works_on": {
            blend.target: round(blend.success_rate, 2) for blend in found if blend.row.flags
        },
        "share": [round(float(n) / len(pool.called), 3) for n in called],
        "cpu_seconds": round(seconds, 2),
    }


def lines(rows: Sequence[Row]) -> list[str]:
    """The table of rows."""
    level = level_of(BLENDS, "blend", "outliers")
    assert level is not None
    found = [
        "| networks | images | n | another class flagged | target flagged | suspected |",
        "|---|---|---|---|---|---|",
    ]
    for sure in (False, True):
        for half in ("strangers", "choose", "report"):
            some = [r for r in rows if r["sure"] == sure and r["half"] == half]
            for kind in sorted({_kind(r) for r in some}):
                mine = [r for r in some if _kind(r) == kind]
                wrong = sum(_largest(r, wrong=True) > level.flag_at for r in mine)
                right = sum(_largest(r, wrong=False) > level.flag_at for r in mine)
                above = sum(max(_all(r)) > float(level.suspect_at or math.inf) for r in mine)
                found.append(
                    f"| {half}, {kind} | {'sure' if sure else 'plain'} | {len(mine)} | {wrong} | "
                    f"{right} | {above} |"
                )
    return found


def _kind(row: Row) -> str:
    if not row["attacked"]:
        return "clean"
    blended = any(word in row["trigger"] for word in ("blend", "noise", "picture"))
    return "blended" if blended else "attacked otherwise"


def _all(row: Row) -> list[float]:
    return [-math.inf, *row["scores"].values()]


def _largest(row: Row, *, wrong: bool) -> float:
    """Of the targets, or of the other classes."""
    targets = {str(k) for k in row["targets"]}
    mine = [v for k, v in row["scores"].items() if (str(k) not in targets) == wrong]
    return float(max([-math.inf, *mine]))


if __name__ == "__main__":
    main()
