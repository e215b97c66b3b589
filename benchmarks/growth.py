"""How time and memory of min-norm grow with classes, pixels and baselines."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import click

from benchmarks.common import record

CLASSES = (10, 30, 100, 300, 1000)
SIDES = (28, 56, 112, 224)
BASELINES = (1, 2, 4)

# Each point is a process of its own: the peak of a process's memory never comes down.
POINT = """
import json, resource, sys, time, torch
from triggerfish.architectures import ARCHITECTURES
from triggerfish.model.classifier import Classifier
from triggerfish.detectors.min_norm import MinNorm
from triggerfish.runtime import keep_freed_memory
keep_freed_memory(); torch.set_num_threads(1); torch.manual_seed(0)
name, classes, channels, height, width, baselines = json.loads(sys.argv[1])
network = ARCHITECTURES[name](classes, channels)
classifier = Classifier(network, (channels, height, width))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
levels = (0.0, 0.3, 0.5, 1.0)[:baselines]
# An untrained network never reaches 0.9999: one round, so that every row takes all the steps.
detector = MinNorm(baselines=levels, steps=STEPS, rounds=1)
start = time.perf_counter()
detector(classifier)
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"seconds": seconds, "peak_mib": peak / 1024, "before_mib": before / 1024}))
"""


def measure(
    network: str, classes: int, shape: tuple[int, int, int], baselines: int, steps: int = 30
) -> dict[str, float]:
    """Seconds and peak memory of one scan of an untrained network, in a fresh process."""
    point = json.dumps([network, classes, *shape, baselines])
    code = POINT.replace("STEPS", str(steps))
    done = subprocess.run(
        [sys.executable, "-c", code, point], capture_output=True, text=True, check=True
    )
    found = dict(json.loads(done.stdout))
    click.echo(f"{network} {classes} classes {shape} {baselines} baselines: {found}", err=True)
    return found


def exponent(sizes: tuple[int, ...], seconds: list[float]) -> float:
    """Slope of log seconds over log size between the two ends."""
    return math.log(seconds[-1] / seconds[0]) / math.log(sizes[-1] / sizes[0])


def growth() -> None:
    """Measure every series and the two big cases under the memory budget."""
    series: dict[str, tuple[tuple[int, ...], list[dict[str, float]]]] = {
        "classes": (CLASSES, [measure("paper_cnn", k, (1, 28, 28), 4) for k in CLASSES]),
        "pixels (side)": (SIDES, [measure("small_resnet", 10, (3, s, s), 1, 5) for s in SIDES]),
        "baselines": (BASELINES, [measure("paper_cnn", 10, (1, 28, 28), b) for b in BASELINES]),
    }
    record(
        "speed",
        "growth",
        {
            name: {
                "points": [{"size": s, **p} for s, p in zip(sizes, points, strict=True)],
                "exponent": exponent(sizes, [p["seconds"] for p in points]),
            }
            for name, (sizes, points) in series.items()
        },
    )
    big: dict[str, dict[str, float]] = {}
    for name, shape, classes, steps in (
        ("1,283 classes at 3x55x47", (3, 55, 47), 1283, 2),
        ("1,000 classes at 3x224x224", (3, 224, 224), 1000, 1),
    ):
        big[name] = measure("small_resnet", classes, shape, 1, steps)
        record("speed", "big", big)
