"""What the command costs before it does anything: help and mistakes, in CPU seconds.

    python -m benchmarks.startup

Each line runs `RUNS` times in a process of its own, after one run that is not counted; the least
user and system time is what it costs. Nothing may import PyTorch before a mistake is said.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.common import record

RUNS = 5
LINES: dict[str, tuple[str, ...]] = {
    "--help": ("--help",),
    "scan --help": ("scan", "--help"),
    "scan --help-all": ("scan", "--help-all"),
    "repair --help": ("repair", "--help"),
    "zoo clean --help": ("zoo", "clean", "--help"),
    "no such command": ("scna", "model.pt"),
    "no such option": ("scan", "model.pt", "--treshold", "2"),
    "no such file": ("scan", "nope.pt"),
    "a shape of two numbers": ("scan", "model.pt", "--input-shape", "28,28"),
    "a choice that there is not": ("scan", "model.pt", "--format", "yaml"),
}


def cost(arguments: tuple[str, ...], folder: Path) -> float:
    """CPU seconds of one call in ``folder``, which has a file model.pt."""
    before = os.times()
    command = [sys.executable, "-m", "triggerfish", *arguments]
    subprocess.run(command, cwd=folder, capture_output=True, check=False)
    after = os.times()
    children = after.children_user - before.children_user
    return children + after.children_system - before.children_system


def main() -> None:
    """Measure every line and write the results."""
    rows = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model.pt").write_bytes(b"not a model")
        for label, arguments in LINES.items():
            cost(arguments, folder)
            rows[label] = round(min(cost(arguments, folder) for _ in range(RUNS)), 3)
            print(f"{rows[label]:6.3f} s  triggerfish {label}", flush=True)
    record("startup", "cpu_seconds", rows)


if __name__ == "__main__":
    main()
