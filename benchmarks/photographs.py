"""What better images could give: the search for classes on a task's own photographs.

    python -m benchmarks.photographs run ZOO [--half choose]
    python -m benchmarks.photographs table

ZOO is described in `task_zoo.train`. A scan has no photographs. This asks what it would gain by
them: the score of `statistics.scores.sure_score` on test images of the task, beside the score on
images that the network is sure of, and the share of images of other classes that the true trigger
takes to its target. Networks with 3 to 26 classes, clean or with one target. Resumable. Results:
results/photographs.jsonl.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from torch import Generator

from benchmarks.common import RESULTS
from benchmarks.family import auroc
from benchmarks.lines import append_line, read_lines
from benchmarks.measure import classifier_of_zoo, sizes_on
from benchmarks.task_zoo.triggers import Trigger
from triggerfish.detectors.universal import SURE, sure_pool
from triggerfish.model.classifier import Classifier
from triggerfish.model.folding import folded
from triggerfish.search import seeds
from triggerfish.search.activation_maximization import evaluate
from triggerfish.search.picture_pool import PicturePool
from triggerfish.statistics.scores import sure_score

ROWS = RESULTS / "photographs.jsonl"
IMAGES = ("photographs", "sure images")
GROUPS = {"3": (3, 3), "4-5": (4, 5), "6-26": (6, 26)}
_FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)
Row = dict[str, Any]


@click.group()
def main() -> None:
    """The search for classes on photographs, beside that of a scan."""


@main.command()
@click.argument("zoo", type=_FOLDER)
@click.option("--half", type=click.Choice(["choose", "report"]), default="choose")
def run(zoo: Path, half: str) -> None:
    """Measure the networks of ZOO that have no row yet."""
    torch.set_num_threads(1)
    done = {row["id"] for row in read_lines(ROWS)}
    for record in read_lines(zoo / "manifest.jsonl"):
        way = record["attack"]["way"] if record["attack"] else ""
        wanted = record["kept"] and record["half"] == half and 3 <= record["classes"] <= 26
        if wanted and way in ("", "all-to-one") and record["id"] not in done:
            append_line(ROWS, _row(zoo, record))


def _row(zoo: Path, record: Row) -> Row:
    classifier = folded(classifier_of_zoo(zoo, record))
    photographs = torch.load(zoo / "data" / f"{record['task']}.pt", weights_only=True)[2]
    order = torch.randperm(len(photographs), generator=Generator().manual_seed(0))[:SURE]
    pools = (
        PicturePool.of(classifier, photographs[order].float() / 255),
        sure_pool(classifier, seeds.SURE, 512),
    )
    attack = record["attack"]
    return {
        "id": record["id"],
        "classes": record["classes"],
        "target": attack["target"] if attack else None,
        "trigger": attack["trigger"]["kind"] if attack else "",
        "scores": {k: _scores(classifier, pool) for k, pool in zip(IMAGES, pools, strict=True)},
        "works": {
            k: _works(classifier, pool, attack) if attack else None
            for k, pool in zip(IMAGES, pools, strict=True)
        },
    }


def _scores(classifier: Classifier, pool: PicturePool) -> list[float | None]:
    """Of all classes, as a scan has them."""
    score = sure_score(*sizes_on(classifier, pool), classifier.input_shape)
    return [round(one, 4) if math.isfinite(one) else None for one in score.tolist()]


@torch.no_grad()
def _works(classifier: Classifier, pool: PicturePool, attack: Row) -> float:
    """On what share of the images of other classes the true trigger works."""
    about = attack["trigger"]
    trigger = Trigger(about["kind"], tuple(about["shape"]), about["seed"])
    others = pool.images[pool.predicted != attack["target"]]
    stamped = trigger.stamp(others, Generator().manual_seed(1))
    share = (evaluate(classifier, stamped).argmax(1) == attack["target"]).double().mean()
    return round(float(share), 3)


@main.command()
def table() -> None:
    """Print the table of the docs."""
    click.echo(rendered())


def rendered() -> str:
    """The table of the docs, as Markdown."""
    return "".join(f"{line}\n" for line in lines(list(read_lines(ROWS))))


def lines(rows: list[Row]) -> Iterator[str]:
    """AUROC, and targets whose score is the network's largest and above all clean networks'."""
    yield "| classes | images | clean | attacked | the true trigger works | AUROC | named |"
    yield "|---|---|---|---|---|---|---|"
    for name, (low, high) in GROUPS.items():
        some = [row for row in rows if low <= row["classes"] <= high]
        for images in IMAGES:
            yield f"| {name} | {images} | {_cells(some, images)} |"


def _cells(rows: list[Row], images: str) -> str:
    clean = np.array([_largest(r, images) for r in rows if r["target"] is None])
    attacked = [r for r in rows if r["target"] is not None]
    best = np.array([_largest(r, images) for r in attacked])
    level = clean.max(initial=-math.inf)
    named = sum(
        top > level and row["scores"][images][row["target"]] == top
        for top, row in zip(best, attacked, strict=True)
    )
    works = np.mean([row["works"][images] for row in attacked]) if attacked else math.nan
    return f"{len(clean)} | {len(attacked)} | {works:.0%} | {auroc(best, clean):.3f} | {named}"


def _largest(row: Row, images: str) -> float:
    return max((s for s in row["scores"][images] if s is not None), default=-math.inf)


if __name__ == "__main__":
    main()
