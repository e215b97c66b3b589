"""What a confirmation test says about strangers' networks whose truth is known.

    python -m benchmarks.confirm FOLDER --split develop

FOLDER is described in `corpus`. Each network is scanned; every class that the scan flags is looked
at again, and of a network without a flag its most suspicious class. A network that has a result is
not measured again. Results, a line a network: results/confirm/SPLIT.jsonl; `tables.py` makes the
table.
"""

from __future__ import annotations

import json
import math
import time
from pathlib import Path

import click
import torch

from benchmarks.common import RESULTS
from benchmarks.corpus import Record, classifier_of, records
from benchmarks.lines import append_line, read_lines
from triggerfish.confirmation import confirm
from triggerfish.results import Confirmation, Scanned
from triggerfish.scanning import ScanConfig, scan_classifier

FOLDER = RESULTS / "confirm"


def suspects(scanned: Scanned) -> tuple[int, ...]:
    """The classes to look at again: the flagged ones, else the most suspicious."""
    if scanned.verdict.flagged:
        return scanned.verdict.flagged
    index = scanned.verdict.anomaly_index
    measured = [k for k in range(len(index)) if not math.isnan(index[k])]
    return (max(measured, key=lambda k: index[k]),) if measured else ()


def row_of(folder: Path, record: Record) -> dict[str, object]:
    """What is kept of one network."""
    classifier = classifier_of(folder, record)
    start = time.process_time()
    scanned = scan_classifier(classifier, ScanConfig(confirm=False))
    middle = time.process_time()
    confirmations = [confirm(classifier, k) for k in suspects(scanned)]
    return {
        "id": record["id"],
        "data": record["data"],
        "attack": record.get("attack") or "",
        "trigger": record.get("trigger") or "",
        "targets": list(record.get("targets") or ()),
        "verdict": scanned.verdict.name,
        "flagged": list(scanned.verdict.flagged),
        "looks": [
            _plain(confirmation, scanned.verdict.anomaly_index[confirmation.target])
            for confirmation in confirmations
        ],
        "scan_cpu_seconds": round(middle - start, 2),
        "confirm_cpu_seconds": round(time.process_time() - middle, 2),
    }


def _plain(confirmation: Confirmation, score: float) -> dict[str, object]:
    evidence = {
        item.basis: {
            "size": None if math.isnan(item.size) else round(item.size, 3),
            "success_rate": round(item.success_rate, 3),
            "half": round(item.half, 3),
            "shifted": round(item.shifted, 3),
            "without_largest": round(item.without_largest, 3),
            "agreement": round(item.agreement, 3),
            "controls": [round(value, 3) for value in item.controls],
        }
        for item in confirmation.evidence
    }
    return {
        "class": confirmation.target,
        "score": round(score, 3),
        "grade": confirmation.grade,
        "lead": round(confirmation.lead, 3),
        "evidence": evidence,
    }


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--split", default="develop", show_default=True)
@click.option("--id", "ids", multiple=True, help="Only these networks.")
@click.option("--results", type=click.Path(path_type=Path), default=FOLDER)
def main(folder: Path, split: str, ids: tuple[str, ...], results: Path) -> None:
    """Measure the networks that have no result yet."""
    torch.set_num_threads(1)
    file = results / f"{split}.jsonl"
    done = {row["id"] for row in read_lines(file)}
    for record in records(folder, split):
        if record["id"] in done or (ids and record["id"] not in ids):
            continue
        row = row_of(folder, record)
        append_line(file, row)
        click.echo(json.dumps(row), err=True)


if __name__ == "__main__":
    main()
