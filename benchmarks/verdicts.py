"""Does the fast published detector answer as the published loop does? Both, on the same models.

    python -m benchmarks.verdicts FOLDER... [--count 20] [--jobs 2]

A folder holds checkpoints (``triggerfish zoo``). The loop takes about a minute a model. Resumable:
a model's two answers are kept in benchmarks/results/verdicts.json under the SHA-256 of its file,
and not computed again.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch

from benchmarks.common import record, recorded, timed
from benchmarks.published_sequential import search_all
from triggerfish.detectors.l1_weight import L1Weight
from triggerfish.loading import load_classifier, sha256_of
from triggerfish.model.classifier import Classifier
from triggerfish.runtime import keep_freed_memory
from triggerfish.scanning import published, scan_classifier
from triggerfish.statistics.outliers import TwoSidedMAD


def compare(path: Path) -> dict[str, object]:
    """Both answers for one model, one thread.

    In float32 the published penalty is chaotic: the last bit of a sum, which depends on the batch
    size, can move a pixel, and a class between reached and not. Where the two differ, both are run
    once more in float64, in which such a bit does not matter.
    """
    torch.set_num_threads(1)
    keep_freed_memory()
    classifier = load_classifier(path)
    found = both(classifier)
    row: dict[str, object] = {
        "model": f"{path.parent.name}/{path.name}",
        "network": type(classifier.model).__name__,
        **found,
    }
    if found["loop_flagged"] != found["batch_flagged"]:
        row["float64"] = both(in_float64(classifier))
    return row


def both(classifier: Classifier) -> dict[str, Any]:
    """The loop's and our own weights, flags and seconds."""
    loop_seconds, found = timed(lambda: search_all(classifier))
    loop = [one.weight for one in found]
    config = published(L1Weight(decide_at=3.5))
    batch_seconds, batch = timed(lambda: scan_classifier(classifier, config))
    return {
        "loop_weights": loop,
        "loop_flagged": list(TwoSidedMAD()(np.array(loop)).flagged),
        "batch_weights": [None if np.isnan(w) else w for w in batch.scores.statistic.tolist()],
        "batch_flagged": list(batch.verdict.flagged),
        "loop_seconds": loop_seconds,
        "batch_seconds": batch_seconds,
    }


def in_float64(classifier: Classifier) -> Classifier:
    """The same network in double precision."""
    return Classifier(
        classifier.model,
        classifier.input_shape,
        preprocessing=classifier.preprocessing,
        dtype=torch.float64,
    )


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--count", type=int, default=20, show_default=True, help="Models of each folder.")
@click.option("--jobs", type=int, default=2, show_default=True)
def main(folders: tuple[Path, ...], count: int, jobs: int) -> None:
    """Compare, and print how many agree."""
    rows = recorded("verdicts").get("models", {})
    found = [path for folder in folders for path in sorted(folder.glob("*.pt"))[:count]]
    paths = {sha256_of(path): path for path in found}
    missing = {sha: path for sha, path in paths.items() if sha not in rows}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        for sha, row in zip(missing, pool.map(compare, missing.values()), strict=True):
            rows[sha] = row
            record("verdicts", "models", rows)
            click.echo(f"{row['model']}: {row['loop_flagged']} {row['batch_flagged']}", err=True)
    equal = sum(row["loop_flagged"] == row["batch_flagged"] for row in rows.values())
    click.echo(f"{equal} of {len(rows)} verdicts are equal")


if __name__ == "__main__":
    main()
