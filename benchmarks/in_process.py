"""What a scan costs in the caller's process, against the command: CPU time and page faults.

    python -m benchmarks.in_process MODEL [--detector NAME] [--repeat N]

Each is a new process, in turn, with one thread; imports count for both. The system's accounts of a
child that has ended give its CPU time, which other work on the machine changes little.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

IN_PYTHON = """
import sys
import triggerfish as tf
from triggerfish.detectors import DETECTORS
print(tf.scan(sys.argv[1], DETECTORS[sys.argv[2]]()).verdict.name)
"""


@dataclass(frozen=True)
class Cost:
    """Of one process: seconds of user and system time, and page faults."""

    user: float
    system: float
    faults: int


def cost_of(command: Sequence[str]) -> Cost:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, *command],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode not in (0, 1, 3):  # clean, flagged, inconclusive
        raise click.ClickException(f"exit code {done.returncode} of {' '.join(command[:3])}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(
        after.ru_utime - before.ru_utime,
        after.ru_stime - before.ru_stime,
        after.ru_minflt - before.ru_minflt,
    )


@click.command(help=__doc__)
@click.argument("model", type=click.Path(exists=True, path_type=Path))
@click.option("--detector", default="ensemble", show_default=True)
@click.option("--repeat", type=click.IntRange(1), default=1, show_default=True)
def main(model: Path, detector: str, repeat: int) -> None:
    ways = {
        "tf.scan": ["-c", IN_PYTHON, str(model), detector],
        "triggerfish scan": ["-m", "triggerfish", "scan", str(model), "--detector", detector,
                             "--format", "json"],
    }  # fmt: skip
    costs: dict[str, list[Cost]] = {name: [] for name in ways}
    for _ in range(repeat):
        for name, command in ways.items():
            costs[name].append(cost_of(command))
    for name, found in costs.items():
        user, system, faults = (
            statistics.median(getattr(cost, field) for cost in found)
            for field in ("user", "system", "faults")
        )
        click.echo(
            f"{name:18} {user:6.1f} s user {system:5.1f} s system {faults / 1e6:.2f} M faults"
        )


if __name__ == "__main__":
    main()
