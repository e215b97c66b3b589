"""Two builds scan the same networks in turn: CPU seconds, memory, verdicts, and the sizes behind.

    python -m benchmarks.side_by_side run FOLDER --old CHECKOUT [--every 7] [--id ID ...]
    python -m benchmarks.side_by_side table

FOLDER is described in corpus.py; the code in it is run. CHECKOUT is a checkout of the other build.
Every scan is a process of its own, of one thread, and a network's two scans follow one another, so
both see the machine alike. Resumable: results/side_by_side.jsonl has a line a network.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from benchmarks.common import RESULTS

ROWS = RESULTS / "side_by_side.jsonl"
_FOLDER = click.Path(path_type=Path, exists=True, file_okay=False, resolve_path=True)

# Runs in either build: it uses nothing that the two have not in common.
SCAN = """
import importlib.util, json, os, resource, sys, time
from pathlib import Path
import torch
torch.set_num_threads(1)
folder, key, fast = Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "fast"
from triggerfish.runtime import keep_freed_memory
keep_freed_memory()
from triggerfish.detectors import Ensemble
from triggerfish.model.classifier import Classifier
from triggerfish.scanning import ScanConfig, scan_classifier
spec = importlib.util.spec_from_file_location("networks", folder / "networks.py")
code = importlib.util.module_from_spec(spec)
spec.loader.exec_module(code)
lines = (folder / "manifest.jsonl").read_text().splitlines()
record = next(r for r in map(json.loads, lines) if r["id"] == key)
classifier = Classifier(
    code.load(record), record["input_shape"], output=record["head"],
    num_classes=record["num_classes"],
)
start = time.process_time()
result = scan_classifier(classifier, ScanConfig(Ensemble(fast=fast)))
seconds = time.process_time() - start
numbers = lambda v: [None if x != x else x for x in v.tolist()]
details = {n: numbers(v) for n, v in result.scores.details.items() if n.startswith("size_")}
print("RESULT" + json.dumps({
    "seconds": seconds,
    "process_seconds": time.process_time(),
    "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    "verdict": result.verdict.name,
    "flagged": list(result.verdict.flagged),
    "all_classes": bool(result.verdict.all_classes),
    "reasons": [r.code for r in result.verdict.reasons],
    "score": numbers(result.scores.statistic),
    "all_classes_score": result.scores.all_classes,
    "sizes": details,
    "confirmed": [[c.target, c.grade, c.lead] for c in result.confirmations],
}))
"""


def scanned(build: Path, folder: Path, key: str, *, fast: bool) -> dict[str, Any]:
    """One network scanned by the build at ``build``, in a fresh process."""
    environment = os.environ | {"PYTHONPATH": str(build / "src"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", SCAN, str(folder), key, "fast" if fast else "default"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    for line in done.stdout.splitlines():
        if line.startswith("RESULT"):
            return dict(json.loads(line.removeprefix("RESULT")))
    raise click.ClickException(f"{key} in {build}: {done.stderr.strip()[-500:]}")


def rows() -> dict[str, dict[str, Any]]:
    """What is measured so far, by the network's id."""
    lines = ROWS.read_text("utf-8").splitlines() if ROWS.is_file() else []
    return {row["id"]: row for row in map(json.loads, lines)}


@click.group()
def main() -> None:
    """Two builds side by side."""


@main.command()
@click.argument("folder", type=_FOLDER)
@click.option("--old", type=_FOLDER, required=True, help="A checkout of the other build.")
@click.option("--every", type=int, default=1, show_default=True, help="Of the networks, in order.")
@click.option("--id", "ids", multiple=True, help="These networks alone.")
@click.option("--fast", is_flag=True, help="Scans with --fast.")
def run(folder: Path, old: Path, every: int, ids: tuple[str, ...], *, fast: bool) -> None:
    """Scan the networks that have no result yet."""
    new = Path(__file__).resolve().parents[1]
    lines = (folder / "manifest.jsonl").read_text("utf-8").splitlines()
    records = [json.loads(line) for line in lines if line.strip()]
    chosen = [r for r in records if r["id"] in ids] if ids else records[::every]
    for record in chosen:
        key = record["id"] + (" --fast" if fast else "")
        if key in rows():
            continue
        row = {
            "id": key,
            "targets": record.get("targets") or [],
            "attack": record.get("attack") or "",
            **{
                name: scanned(build, folder, record["id"], fast=fast)
                for name, build in (("old", old), ("new", new))
            },
        }
        with ROWS.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        click.echo(_line(row), err=True)


def _line(row: dict[str, Any]) -> str:
    old, new = row["old"], row["new"]
    return (
        f"{row['id']}: {old['seconds']:.1f} -> {new['seconds']:.1f} s, "
        f"{said(old)} -> {said(new)}, truth {row['attack'] or 'clean'} {row['targets']}"
    )


def said(scan: dict[str, Any]) -> str:
    """A verdict in short."""
    flagged = "all" if scan["all_classes"] else scan["flagged"]
    return f"{scan['verdict']} {flagged}" if scan["verdict"] == "backdoored" else scan["verdict"]


def log_ratio(scan: dict[str, Any], basis: str = "size_pixel") -> float:
    """``log(median / smallest)`` of the sizes of the classes in a basis; NaN without any."""
    sizes = [size for size in scan["sizes"].get(basis, []) if size is not None]
    return math.log(statistics.median(sizes) / min(sizes)) if sizes else math.nan


@main.command()
def table() -> None:
    """Print all of it, with what changes."""
    found = list(rows().values())
    for row in found:
        ratio = [f"{log_ratio(row[build]):.2f}" for build in ("old", "new")]
        click.echo(f"{_line(row)}, log(median/smallest) {' -> '.join(ratio)}")
    for name, some in (
        ("default", [row for row in found if "--fast" not in row["id"]]),
        ("--fast", [row for row in found if "--fast" in row["id"]]),
    ):
        if not some:
            continue
        times = [row["new"]["seconds"] / row["old"]["seconds"] for row in some]
        gap = [log_ratio(row["new"]) - log_ratio(row["old"]) for row in some]
        gap = [one for one in gap if math.isfinite(one)]
        equal = sum(said(row["old"]) == said(row["new"]) for row in some)
        click.echo(
            f"{name}: {len(some)} networks, time new / old median {statistics.median(times):.3f}, "
            f"largest {max(times):.3f}, verdicts equal {equal}, "
            f"log ratio new - old mean {statistics.mean(gap):+.3f}, sd {statistics.pstdev(gap):.3f}"
        )


if __name__ == "__main__":
    main()
