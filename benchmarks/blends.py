"""The smallest L2 perturbation of every class, on networks whose truth is known.

    python -m benchmarks.blends strangers FOLDER [--only blend] [--sure]
    python -m benchmarks.blends zoo ZOO [--half choose] [--sure]
    python -m benchmarks.blends table

FOLDER is described in `corpus`, ZOO in `task_zoo.train`. A line of ``results/blends.jsonl`` is one
network: its size in L2 and its score per class, and what share of the plain images each class has.
``table`` has those of classes that the rows of default scans (results/task_zoo) had in question.
``--sure`` searches on images that the network is sure of instead. Resumable.
"""

from __future__ import annotations

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
from triggerfish.detectors.universal import sure_pool
from triggerfish.levels import BLENDS, level_of
from triggerfish.model.folding import folded
from triggerfish.search import seeds
from triggerfish.search.batching import rows_that_fit
from triggerfish.stages.blends import (
    FEWEST_CLASSES,
    MOST_CLASSES,
    plain_images,
    search_blends,
)

FILE = RESULTS / "blends.jsonl"
SCANS = RESULTS / "task_zoo" / "strangers.jsonl"
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
    pool = plain_images(classifier, seeds.BLENDS)
    if sure:
        pool = sure_pool(classifier, seeds.SURE, rows)
    found = search_blends(classifier, pool, seeds.BLENDS)
    seconds = time.process_time() - before
    predicted = torch.bincount(pool.predicted, minlength=classifier.num_classes)
    return case.truth | {
        "scores": {blend.target: round(blend.score, 3) for blend in found},
        "sizes": {blend.target: round(blend.size, 3) for blend in found},
        "works_on": {blend.target: round(blend.success_rate, 2) for blend in found},
        "share": [round(float(n) / len(pool.predicted), 3) for n in predicted],
        "cpu_seconds": round(seconds, 2),
    }


def lines(rows: Sequence[Row]) -> list[str]:
    """The table of rows: by itself, and of classes that a default scan had in question."""
    level = level_of(BLENDS, "blend", "same-task")
    assert level is not None
    suspects = _suspects()
    found = [
        "| networks | images | n | flagged by itself | in question | flagged then | the target |",
        "|---|---|---|---|---|---|---|",
    ]
    for sure in (False, True):
        for half in ("strangers", "choose", "report"):
            some = [r for r in rows if r["sure"] == sure and r["half"] == half]
            for kind in sorted({_kind(r) for r in some}):
                mine = [r for r in some if _kind(r) == kind]
                alone = sum(bool(_flagged(r, level.flag_at)) for r in mine)
                asked = [r for r in mine if suspects.get(r["id"])]
                then = [_flagged(r, level.flag_at) & suspects[r["id"]] for r in asked]
                right = sum(k <= set(r["targets"]) for k, r in zip(then, asked, strict=True) if k)
                found.append(
                    f"| {half}, {kind} | {'sure' if sure else 'plain'} | {len(mine)} | {alone} | "
                    f"{len(asked)} | {sum(map(bool, then))} | {right} |"
                )
    return found


def _suspects() -> dict[str, set[int]]:
    """The classes that are suspicious among networks of their task, by the rows of scans."""
    level = level_of("universal", "target", "same-task")
    assert level is not None
    assert level.suspect_at is not None
    return {
        row["id"]: {k for k, v in enumerate(row["index"]) if v is not None and v > level.suspect_at}
        for row in read_lines(SCANS)
        if row["peers"]
    }


def _flagged(row: Row, level: float) -> set[int]:
    return {int(k) for k, v in row["scores"].items() if v > level}


def _kind(row: Row) -> str:
    if not row["attacked"]:
        return "clean"
    blended = any(word in row["trigger"] for word in ("blend", "noise", "picture"))
    return "blended" if blended else "attacked otherwise"


if __name__ == "__main__":
    main()
