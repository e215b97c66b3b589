"""How time and memory of min-norm and of the default scan grow with classes and pixels."""

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
from triggerfish.detectors import DETECTORS
from triggerfish.model.classifier import Classifier
from triggerfish.runtime import keep_freed_memory
keep_freed_memory(); torch.set_num_threads(1); torch.manual_seed(0)
name, classes, shape, detector, settings = json.loads(sys.argv[1])
network = ARCHITECTURES[name](classes, shape[0])
classifier = Classifier(network, shape)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
start = time.process_time()
DETECTORS[detector](**settings)(classifier)
seconds = time.process_time() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"seconds": seconds, "peak_mib": peak / 1024, "before_mib": before / 1024}))
"""

ENSEMBLE_CLASSES = (10, 43, 100)
DEFAULT_SCANS = (
    ("PyTorch tutorial CNN", "pytorch_tutorial_cnn", 10, (3, 32, 32)),
    ("ResNet-20", "akamaster_resnet20", 10, (3, 32, 32)),
    ("CNN of 32 and 64 channels", "plain_cnn_32_64_32", 43, (3, 32, 32)),
    ("ResNet-18", "kuangliu_resnet18", 10, (3, 32, 32)),
    ("EfficientNet-B0", "torchvision_efficientnet_b0", 1000, (3, 224, 224)),
)
"""Name, network of the catalogue, classes, and shape of the images."""


def measure(
    network: str,
    classes: int,
    shape: tuple[int, int, int],
    detector: str = "ensemble",
    **settings: object,
) -> dict[str, float]:
    """CPU seconds and peak memory of one scan of an untrained network, in a fresh process."""
    point = json.dumps([network, classes, shape, detector, settings])
    done = subprocess.run(
        [sys.executable, "-c", POINT, point], capture_output=True, text=True, check=True
    )
    found = dict(json.loads(done.stdout))
    click.echo(f"{network} {classes} classes {shape} {detector} {settings}: {found}", err=True)
    return found


def min_norm(
    network: str, classes: int, shape: tuple[int, int, int], baselines: int, steps: int = 30
) -> dict[str, float]:
    """`measure` of min-norm.

    An untrained network never reaches 0.9999: one round, so that every row takes all the steps.
    """
    levels = (0.0, 0.3, 0.5, 1.0)[:baselines]
    return measure(network, classes, shape, "min-norm", baselines=levels, steps=steps, rounds=1)


def exponent(sizes: tuple[int, ...], seconds: list[float]) -> float:
    """Slope of log seconds over log size between the two ends."""
    return math.log(seconds[-1] / seconds[0]) / math.log(sizes[-1] / sizes[0])


def growth() -> None:
    """Measure every series and the two big cases under the memory budget."""
    series: dict[str, tuple[tuple[int, ...], list[dict[str, float]]]] = {
        "classes": (CLASSES, [min_norm("paper_cnn", k, (1, 28, 28), 4) for k in CLASSES]),
        "pixels (side)": (SIDES, [min_norm("small_resnet", 10, (3, s, s), 1, 5) for s in SIDES]),
        "baselines": (BASELINES, [min_norm("paper_cnn", 10, (1, 28, 28), b) for b in BASELINES]),
        "classes, ensemble": (
            ENSEMBLE_CLASSES,
            [measure("small_resnet", k, (3, 32, 32)) for k in ENSEMBLE_CLASSES],
        ),
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
        big[name] = min_norm("small_resnet", classes, shape, 1, steps)
        record("speed", "big", big)


def default_scans() -> None:
    """Time and memory of the default scan on networks that people ask about, untrained."""
    rows: dict[str, dict[str, float]] = {}
    for name, network, classes, shape in DEFAULT_SCANS:
        title = f"{name}, {classes:,} classes at {'x'.join(map(str, shape))}"
        rows[title] = measure(network, classes, shape)
        record("speed", "default-scans", rows)
