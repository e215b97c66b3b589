"""Many small models by every way to scan them: the results must be the same, the times are taken.

    python -m benchmarks.throughput [--models 1000] [--workers 2] [--folder FOLDER]

One process, a pool of processes, a Ray cluster of as many nodes on this machine, and as many
shards that are merged; each is the command itself, with a quick detector, so that the overhead
shows. *First* is the time until the first row, mostly imports; *per model* is from there to the
last row, times the number of workers. Results: benchmarks/results/throughput.json.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import torch

from benchmarks.common import record
from triggerfish.architectures.mlp import MLP

QUICK = (
    "--detector", "min-norm", "--steps", "3", "--restarts", "1", "--arch", "mlp",
    "--mean", "0.1307", "--std", "0.3081", "--format", "csv",
)  # fmt: skip
RESULTS = "results.jsonl"


@dataclass(frozen=True)
class Timing:
    """Seconds of one way; ``per_model`` is of one worker's time."""

    way: str
    workers: int
    models: int
    first: float
    total: float
    per_model: float
    same_results: bool


def make_models(folder: Path, count: int) -> None:
    """Untrained networks, no two alike."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(count):
        path = folder / f"{seed:05}.pt"
        if not path.exists():
            torch.manual_seed(seed)
            torch.save(MLP().state_dict(), path)


def scan(*arguments: object) -> subprocess.Popen[str]:
    """The command, in a process of its own."""
    command = [sys.executable, "-m", "triggerfish", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def timed_rows(processes: Sequence[subprocess.Popen[str]], start: float) -> tuple[float, float]:
    """Seconds until the first row of the slowest, and until the end of all."""
    firsts = []
    for process in processes:
        assert process.stdout is not None
        for _ in range(2):  # the header comes at once
            process.stdout.readline()
        firsts.append(time.monotonic() - start)
    for process in processes:
        process.communicate()
    return max(firsts), time.monotonic() - start


@contextmanager
def cluster(nodes: int) -> Iterator[str]:
    """The address of a Ray cluster of so many nodes of one core, all on this machine."""
    from ray.cluster_utils import Cluster

    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 - Ray spells it so
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    for _ in range(nodes - 1):
        made.add_node(num_cpus=1)
    try:
        yield str(made.address)
    finally:
        shut_down: Callable[[], None] = made.shutdown
        shut_down()


def answers(run: Path) -> tuple[dict[str, object], dict[str, bytes]]:
    """What a run folder says, without the seconds: lines by key, files by name."""
    lines = {}
    for text in (run / RESULTS).read_text().splitlines():
        line = json.loads(text)
        line.pop("seconds", None)
        lines[line["key"]] = line
    files = {str(f.relative_to(run)): f.read_bytes() for f in run.glob("*/*.png")}
    return lines, files


def measure(way: str, models: Path, out: Path, workers: int) -> tuple[float, float]:
    """Scan ``models`` into ``out`` one way."""
    common = ("scan", models, *QUICK)
    start = time.monotonic()
    if way == "Ray":
        with cluster(workers) as address:
            start = time.monotonic()
            return timed_rows([scan(*common, "--out", out, f"--ray={address}")], start)
    if way == "shards":
        runs = [out.with_name(f"shard-{index}") for index in range(1, workers + 1)]
        shards = [
            scan(*common, "--jobs", 1, "--out", run, "--shard", f"{index}/{workers}")
            for index, run in enumerate(runs, 1)
        ]
        first, _ = timed_rows(shards, start)
        merging = scan("merge", out, *runs)
        merging.communicate()
        if merging.returncode:
            raise click.ClickException(f"expected shards that merge, got {runs}")
        return first, time.monotonic() - start
    jobs = workers if way == "pool" else 1
    return timed_rows([scan(*common, "--jobs", jobs, "--out", out)], start)


@click.command()
@click.option("--models", "count", type=int, default=1000, show_default=True)
@click.option("--workers", type=int, default=2, show_default=True)
@click.option("--folder", type=click.Path(path_type=Path), help="For the models; kept.")
def main(count: int, workers: int, folder: Path | None) -> None:
    """Measure every way and record the times."""
    with tempfile.TemporaryDirectory() as scratch:
        models = folder or Path(scratch) / "models"
        make_models(models, count)
        rows: list[Timing] = []
        expected = None
        for way in ("one process", "pool", "Ray", "shards"):
            out = Path(scratch) / "out" / way
            out.parent.mkdir(exist_ok=True)
            first, total = measure(way, models, out, workers)
            found, used = answers(out), 1 if way == "one process" else workers
            expected = expected or found
            per_model = (total - first) / count * used
            same = found == expected and len(found[0]) == count
            rows.append(Timing(way, used, count, first, total, per_model, same))
            click.echo(str(rows[-1]), err=True)
            record("throughput", "ways", [asdict(row) for row in rows])
        shutil.rmtree(Path(scratch) / "out")
    if not all(row.same_results for row in rows):
        raise click.ClickException("expected the same results by every way, got others")


if __name__ == "__main__":
    main()
