"""How much memory a scan takes at most, by the kernel's counters.

    python -m benchmarks.memory [--only NAME]
    python -m benchmarks.memory --file NAME FILE [WORD...]

Each point is the whole command in a fresh process: imports, opening, every search, the report. What
counts is the larger of the kernel's own peak of any one process (`VmHWM`) and of the sum over the
command and its children, looked at every `TICK` seconds. The bound is 1 GiB and three times the
weights.

Without a file: networks of the catalogue with random weights, saved as state dicts. Of those of
large images the searches are as they are but for their length: few steps, one image a row, two
batches of the first pass over many classes. Batches are as large as in a whole scan, so the peak is
the same. A confirmation test is made of each, which untrained networks seldom get. With ``--file``,
any model, scanned in full with the WORDs of the command.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import torch

from benchmarks.common import record, recorded
from benchmarks.untrained import drawn

TICK = 0.05
SHORT = """
import triggerfish.detectors.universal as universal
import triggerfish.search.frequency as frequency
import triggerfish.search.screening as screening
import triggerfish.search.sure_images as sure_images
import triggerfish.stages.confirmation as confirmation
import triggerfish.stages.untargeted as untargeted
import torch
from triggerfish.confirmation import ConfirmConfig
from triggerfish.detectors import Universal
from triggerfish.search.universal_settings import UniversalSearch
sure_images.STEPS = frequency.MOST_CYCLES = universal.PERTURBATIONS_SHOWN = 1
untargeted.ALL_PER_STEP = untargeted.ONE_PER_STEP = untargeted.STARTS = 1
untargeted.Universal = lambda: Universal(universal_steps=2)
batches, cost = screening.chunks, screening.first_pass_cost
def first_pass(classifier, *settings):
    screening.chunks = lambda count, size: list(batches(count, size))[:2]
    found = cost(classifier, *settings)
    return torch.cat([found, torch.full((classifier.num_classes - len(found),), 1e9)])
screening.first_pass_cost = first_pass
search = UniversalSearch(steps=2, images_per_step=1, race=None)
short, test = ConfirmConfig(search=search, control=search), confirmation.confirm
confirmation.confirm = lambda model, target, _, seed: test(model, target, short, seed)
"""
SCAN = """
import triggerfish.stages.confirmation as confirmation
confirmation.classes_to_confirm = lambda verdict: [0]
from triggerfish.cli import main
main()
"""
NETWORKS = (
    ("published CNN", "paper_cnn", 10, (1, 28, 28)),
    ("ResNet-18 (CIFAR form)", "kuangliu_resnet18", 10, (3, 32, 32)),
    ("MobileNetV2", "torchvision_mobilenet_v2", 10, (3, 224, 224)),
    ("EfficientNet-B0", "torchvision_efficientnet_b0", 1000, (3, 224, 224)),
    ("ResNet-50", "torchvision_resnet50", 1000, (3, 224, 224)),
)
"""Name, network of the catalogue, classes, and shape of the images."""
MIB = 2**20


def _tree(pid: int) -> Iterator[int]:
    """A process and what it has started, as far as it is still there."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found = children.read_text().split()
        except OSError:  # it has ended meanwhile
            continue
        for child in found:
            yield from _tree(int(child))


def _memory(pid: int) -> tuple[float, float]:
    """MiB that a process has in memory now, and had at most; 0 where it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0, 0.0
    sizes = {line.split(":")[0]: line.split() for line in lines}
    return tuple(int(sizes[n][1]) / 1024 if n in sizes else 0.0 for n in ("VmRSS", "VmHWM"))  # type: ignore[return-value]


def peak_of(command: Sequence[str]) -> dict[str, float]:
    """Peak memory in MiB and CPU seconds of a command and all that it starts."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    together = largest = 0.0
    while True:
        ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        if ended:
            break
        # Not `ru_maxrss`: it counts what the parent had when it started the command.
        now, most = zip(*map(_memory, _tree(process.pid)), strict=True)
        together, largest = max(together, sum(now)), max(largest, *most)
        time.sleep(TICK)
    assert process.stderr is not None
    code, said = os.waitstatus_to_exitcode(status), process.stderr.read().decode()
    process.returncode = code
    if code not in (0, 1, 3):  # clean, flagged, inconclusive
        raise click.ClickException(f"expected a scan, got exit code {code}: {said[-500:]}")
    return {
        "peak_mib": max(together, largest),
        "one_process_mib": largest,
        "seconds": usage.ru_utime + usage.ru_stime,
    }


def bare() -> float:
    """Peak memory in MiB of the imports alone."""
    done = peak_of([sys.executable, "-c", "import triggerfish, torch; triggerfish.scan"])
    return done["peak_mib"]


def scan_of(name: str, classes: int, shape: tuple[int, int, int], folder: Path) -> dict[str, float]:
    """The command on a network of the catalogue with random weights."""
    network = drawn(name, classes, shape)
    path = folder / f"{name}.pt"
    torch.save(network.state_dict(), path)
    weights = sum(p.nbytes for p in network.parameters()) / MIB
    del network
    large = shape[1] > 64
    words = ["--arch", name, "--num-classes", str(classes), "--mean", "0", "--std", "1"]
    words += ["--input-shape", ",".join(map(str, shape))]
    words += ["--universal-steps", "2"] if large else []
    code = (SHORT if large else "") + SCAN
    found = peak_of([sys.executable, "-c", code, "scan", str(path), *words])
    return {**found, "weights_mib": weights}


def kept(title: str, found: dict[str, float]) -> None:
    """Write one point into results/memory.json."""
    found["bound_mib"] = 1024 + 3 * found["weights_mib"]
    rows = recorded("memory").get("command", {})
    rows[title] = {name: round(value, 1) for name, value in found.items()}
    record("memory", "command", rows)
    click.echo(f"{title}: {rows[title]}")


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--only", default="", help="What a name must contain.")
@click.option("--file", "name", help="The name of a file that is scanned in full.")
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def main(only: str, name: str | None, words: tuple[str, ...]) -> None:
    """Measure every network, or one file."""
    if name is not None:
        command = [sys.executable, "-m", "triggerfish", "scan", *words]
        weights = Path(words[0]).stat().st_size / MIB
        kept(name, {**peak_of(command), "weights_mib": weights})
        return
    record("memory", "imports_mib", round(bare(), 1))
    with tempfile.TemporaryDirectory() as folder:
        for title, network, classes, shape in NETWORKS:
            if only in title:
                found = scan_of(network, classes, shape, Path(folder))
                kept(f"{title}, {classes:,} classes at {'x'.join(map(str, shape))}", found)


if __name__ == "__main__":
    main()
