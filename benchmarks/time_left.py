"""Is the time left that a scan shows right? Reports of progress against how long it took.

    python -m benchmarks.time_left [FOLDER --id ID ...]

Untrained networks or, with a FOLDER as `corpus` describes it, other people's; the default scan. At
each percent of a scan's time, what the bar says is left is compared with what was, and so is what
it says of the whole after two steps of the search: processor time, so that other work on the
machine does not count. Results: results/time_left.json.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import click
import torch

from benchmarks.common import record as record_rows
from benchmarks.common import recorded
from benchmarks.corpus import classifier_of, records
from benchmarks.markdown import markdown
from triggerfish.architectures import ARCHITECTURES
from triggerfish.model.classifier import Classifier
from triggerfish.runtime import keep_freed_memory
from triggerfish.scanning import ScanConfig, scan_classifier
from triggerfish.search.progress import listening

Moments = Sequence[tuple[float, float]]
NETWORKS: dict[str, tuple[str, tuple[int, int, int], int]] = {
    "small, 10 classes": ("paper_cnn", (1, 28, 28), 10),
    "residual, 43 classes": ("akamaster_resnet20", (3, 32, 32), 43),
}
STEPS = 2
FIRST, LAST = 10, 90
"""Percent of the time between which the bar is held to what it says."""


def factors(moments: Moments, total: float) -> list[float]:
    """By how much the time left was wrong at each percent: 1 is right, never below 1.

    ``moments`` are (seconds, fraction) of what was reported, ``total`` the seconds that it took.
    Infinite before the first report.
    """
    return [_factor(moments, total * percent / 100, total) for percent in range(FIRST, LAST + 1)]


def _factor(moments: Moments, now: float, total: float) -> float:
    fraction = max((share for seconds, share in moments if seconds <= now), default=0.0)
    if not 0 < fraction < 1:
        return float("inf")
    said, left = now * (1 / fraction - 1), total - now
    return max(said / left, left / said)


def estimate(moments: Moments, total: float) -> float:
    """By how much the whole time was wrong after `STEPS` steps: 1 is right, never below 1."""
    seconds, fraction = moments[STEPS]  # the first report is of what comes before the steps
    said = seconds / fraction
    return max(said / total, total / said)


def watched(work: Callable[[], object]) -> tuple[Moments, float]:
    """What ``work`` reports, and how long it takes, in seconds of processor time."""
    start, moments = time.process_time(), list[tuple[float, float]]()
    with listening(lambda share: moments.append((time.process_time() - start, share))):
        work()
    return moments, time.process_time() - start


def table(rows: dict[str, dict[str, float]]) -> str:
    """What was measured, for the docs."""
    lines = [
        (
            name,
            f"{row['seconds']:.1f}",
            f"{row['estimate']:.1f}",
            f"{row['within_two']:.2f}",
            f"{row['worst']:.1f}",
        )
        for name, row in rows.items()
    ]
    header = (
        "network", "CPU seconds", "estimate off by a factor", "of the time, left right within 2",
        "worst factor",
    )  # fmt: skip
    return markdown(header, lines)


def networks(folder: Path | None, ids: Sequence[str]) -> Iterator[tuple[str, Classifier]]:
    """Other people's, or untrained ones."""
    if folder is None:
        for name, (network, shape, classes) in NETWORKS.items():
            torch.manual_seed(0)
            yield name, Classifier(ARCHITECTURES[network].build(num_classes=classes), shape)
        return
    for record in (r for split in ("develop", "report") for r in records(folder, split)):
        if record["id"] in ids:
            yield record["id"], classifier_of(folder, record)


@click.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path, exists=True))
@click.option("--id", "ids", multiple=True, help="Of the folder, these networks.")
def main(folder: Path | None, ids: tuple[str, ...]) -> None:
    """Scan each network, and say how right the time left was."""
    torch.set_num_threads(1)
    keep_freed_memory()
    rows = recorded("time_left").get("networks", {})
    for name, classifier in networks(folder, ids):
        moments, total = watched(partial(scan_classifier, classifier, ScanConfig()))
        wrong = factors(moments, total)
        within = sum(factor <= 2 for factor in wrong) / len(wrong)
        rows[name] = {
            "seconds": round(total, 1),
            "estimate": round(estimate(moments, total), 2),
            "within_two": round(within, 3),
            "worst": round(min(max(wrong), 99.0), 2),
        }
        click.echo(f"{name}: {total:.1f} s, {[(round(s, 1), round(f, 3)) for s, f in moments]}")
        record_rows("time_left", "networks", rows)
    click.echo(table(rows))


if __name__ == "__main__":
    main()
