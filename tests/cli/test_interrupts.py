"""Real processes, real signals: a scan ends soon, and nothing of it stays."""

import os
import re
import signal
import subprocess
import time
from itertools import product
from pathlib import Path

import pytest
import torch
from processes import command, descendants

from triggerfish.cli.interrupts import MESSAGE

SECONDS = 2.0
START = 120.0


@pytest.fixture
def many(models: Path, tmp_path: Path) -> Path:
    """More models than any of these scans gets through."""
    folder = tmp_path / "many"
    folder.mkdir()
    state = torch.load(models / "clean.pt", weights_only=True)
    for number in range(60):  # each of its own content: one file of many names is one model
        other = {key: value + 1e-6 * number for key, value in state.items()}
        torch.save(other, folder / f"{number}.pt")
    return folder


def start(folder: Path, jobs: int, out: Path | None) -> subprocess.Popen[str]:
    """A scan that has printed its first row."""
    options = ("--out", out) if out else ()
    process = subprocess.Popen(
        command("scan", "--detector", "min-norm", "--steps", 20, "--jobs", jobs, *options, folder),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    for _ in range(2):
        assert process.stdout.readline()
    return process


QUICK = [
    (signal.SIGTERM, False, True, 2),
    (signal.SIGINT, False, False, 1),
]
EVERY = list(product((signal.SIGINT, signal.SIGTERM), (False, True), (False, True), (1, 2)))


@pytest.mark.parametrize(
    ("number", "group", "with_out", "jobs"),
    [*QUICK, *(pytest.param(*case, marks=pytest.mark.slow) for case in EVERY * 2)],
)
def test_a_signal_ends_the_scan_and_its_workers(
    number: signal.Signals, group: bool, with_out: bool, jobs: int, many: Path, tmp_path: Path
) -> None:
    process = start(many, jobs, tmp_path / "out" if with_out else None)
    family = descendants(process.pid)
    assert len(family) >= (jobs if jobs > 1 else 0)
    began = time.monotonic()
    (os.killpg if group else os.kill)(process.pid, number)
    _, err = process.communicate(timeout=30)
    seconds = time.monotonic() - began
    assert seconds < SECONDS, f"took {seconds:.1f} s"
    assert process.returncode == 128 + number
    lines = err.strip().splitlines()
    assert lines[-1] == MESSAGE
    (left,) = (line for line in lines if line.startswith("not reached: "))
    assert re.match(r"not reached: \d+ models \(\S+\.pt, \S+\.pt, \S+\.pt, \.\.\.\)", left)
    if with_out:
        status = subprocess.run(command("status", tmp_path / "out"), capture_output=True, text=True)
        assert "left at that rate" not in status.stdout
        assert "interrupted, " in status.stdout
    assert ("To go on: triggerfish scan " in left) == with_out
    gone(family)


def test_a_killed_parent_leaves_no_worker(many: Path) -> None:
    process = start(many, 2, None)
    family = descendants(process.pid)
    process.kill()
    process.communicate()
    gone(family)


def gone(family: set[int]) -> None:
    """Whoever has lost the parent may need a moment to notice."""
    deadline = time.monotonic() + 5
    while left := {pid for pid in family if alive(pid)}:
        assert time.monotonic() < deadline, f"orphans: {left}"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
