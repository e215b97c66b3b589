"""Two builds scan the same networks in turn: CPU seconds, verdicts, and the sizes behind.

    python -m benchmarks.side_by_side run FOLDER --old CHECKOUT [--every 7] [--id ID ...]
    python -m benchmarks.side_by_side table

FOLDER is described in corpus.py; the code in it is run. CHECKOUT is a checkout of the other build.
Each build is a process of its own, of one thread, and a network's two scans follow one another, so
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
from benchmarks.markdown import markdown

ROWS = RESULTS / "side_by_side.jsonl"
_FOLDER = click.Path(path_type=Path, exists=True, file_okay=False, resolve_path=True)

# Runs in either build: it uses nothing that the two have not in common.
SCAN = """
import importlib.util, json, sys, time
from pathlib import Path
import torch
torch.set_num_threads(1)
folder, config = Path(sys.argv[1]), {"fast": sys.argv[2] == "fast"}
from triggerfish.runtime import keep_freed_memory
keep_freed_memory()
from triggerfish.detectors import Ensemble
from triggerfish.model.classifier import Classifier
from triggerfish.scanning import ScanConfig, scan_classifier
spec = importlib.util.spec_from_file_location("networks", folder / "networks.py")
code = importlib.util.module_from_spec(spec)
spec.loader.exec_module(code)
lines = (folder / "manifest.jsonl").read_text().splitlines()
records = {r["id"]: r for r in map(json.loads, lines)}
numbers = lambda v: [None if x != x else x for x in v.tolist()]
for key in map(str.strip, sys.stdin):
    record = records[key]
    classifier = Classifier(
        code.load(record), record["input_shape"], output=record["head"],
        num_classes=record["num_classes"],
    )
    start = time.process_time()
    result = scan_classifier(classifier, ScanConfig(Ensemble(**config)))
    seconds = time.process_time() - start
    if hasattr(result.scores, "sizes"):
        found = {f"size_{s.basis}": s.size for s in result.scores.sizes}
    else:  # a build that kept them by name
        found = result.scores.details
    sizes = {n: numbers(v) for n, v in found.items() if n.startswith("size_")}
    print("RESULT" + json.dumps({
        "seconds": seconds,
        "verdict": result.verdict.name,
        "flagged": list(result.verdict.flagged),
        "all_classes": bool(result.verdict.all_classes),
        "reasons": [r.code for r in result.verdict.reasons],
        "score": numbers(result.scores.statistic),
        "all_classes_score": result.scores.all_classes,
        "sizes": sizes,
        "confirmed": [[c.target, c.grade, c.lead] for c in result.confirmations],
    }), flush=True)
"""


class Build:
    """A process that scans with the build at ``path``, one network after the other."""

    def __init__(self, path: Path, folder: Path, *, fast: bool) -> None:
        self.path = path
        environment = os.environ | {"PYTHONPATH": str(path / "src"), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-c", SCAN, str(folder), "fast" if fast else "default"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def scan(self, key: str) -> dict[str, Any]:
        """What it says of one network."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{key}\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith("RESULT"):
                return dict(json.loads(line.removeprefix("RESULT")))
        raise click.ClickException(f"expected a result of {key} by {self.path}, got none")

    def close(self) -> None:
        """Let it end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


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
    by_id = {record["id"]: record for record in records}
    chosen = [by_id[key] for key in ids] if ids else records[::every]
    builds = {name: Build(path, folder, fast=fast) for name, path in (("old", old), ("new", new))}
    for record in chosen:
        key = record["id"] + (" --fast" if fast else "")
        if key in rows():
            continue
        truth = {"targets": record.get("targets") or [], "attack": record.get("attack") or ""}
        scans = {name: build.scan(record["id"]) for name, build in builds.items()}
        row = {"id": key, **truth, **scans}
        with ROWS.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        click.echo(_line(row), err=True)
    for build in builds.values():
        build.close()


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


def rendered() -> str:
    """The rows as a table for docs/performance.md."""
    return markdown(
        ("network", "truth", "CPU seconds", "new / old", "verdicts", "log(median / smallest)"),
        [
            (
                row["id"],
                f"{row['attack'] or 'clean'} {row['targets'] or ''}".strip(),
                f"{row['old']['seconds']:.1f} -> {row['new']['seconds']:.1f}",
                f"{row['new']['seconds'] / row['old']['seconds']:.2f}",
                said(row["new"])
                if said(row["old"]) == said(row["new"])
                else f"{said(row['old'])} -> {said(row['new'])}",
                f"{log_ratio(row['old']):.2f} -> {log_ratio(row['new']):.2f}",
            )
            for row in rows().values()
        ],
    )


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
