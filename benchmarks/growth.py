"""How time and memory of min-norm and of the default scan grow.

    python -m benchmarks.growth [--series classes] [--largest 43]

measures default scans by classes, pixels and parameters: CPU seconds, what the arithmetic alone
would take at the best rate of the same core, that of a matrix product or of a convolution of 256
channels, and the fraction of that rate. The networks are untrained, which is the worst case: what
reaches no class stops nothing early. Results: results/growth.json. The functions measure sections
of `benchmarks.speed`.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from typing import Any

import click

from benchmarks.common import record, recorded

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

# The same for a whole scan, with the arithmetic behind it, by the images that pass the network.
SCAN = """
import json, resource, sys, time, torch
from torch.utils.flop_counter import FlopCounterMode
from benchmarks.untrained import drawn
from triggerfish.model.classifier import Classifier
from triggerfish.model.folding import folded
from triggerfish.runtime import keep_freed_memory
from triggerfish.scanning import ScanConfig, scan_classifier
keep_freed_memory(); torch.set_num_threads(1); torch.manual_seed(0)
name, classes, shape = json.loads(sys.argv[1])
network = drawn(name, classes, shape)
classifier = Classifier(network, shape)
def rate_of(work, flops):
    seconds = []
    for _ in range(8):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return flops / min(seconds)
a, last = torch.randn(1024, 1024), {"memory_format": torch.channels_last}
x, kernels = torch.randn(8, 256, 16, 16).to(**last), torch.randn(256, 256, 3, 3).to(**last)
rate = max(
    rate_of(lambda: a @ a, 2 * 1024**3),
    rate_of(lambda: torch.conv2d(x, kernels), 2 * 8 * 9 * 14**2 * 256**2),
)
image = torch.full((1, *shape), 0.5, requires_grad=True)
fast = folded(classifier)
with FlopCounterMode(display=False) as forward:
    logits = fast.logits(image)
with FlopCounterMode(display=False) as backward:
    logits.sum().backward()
passed, logits = {False: 0, True: 0}, Classifier.logits
def counting(self, images):
    passed[images.requires_grad] += len(images)
    return logits(self, images)
Classifier.logits = counting
start = time.process_time()
scan_classifier(classifier, ScanConfig())
seconds = time.process_time() - start
both = forward.get_total_flops() + backward.get_total_flops()
flops = passed[False] * forward.get_total_flops() + passed[True] * both
print(json.dumps({
    "seconds": seconds, "floor": flops / rate, "fraction": flops / rate / seconds,
    "parameters": sum(p.numel() for p in network.parameters()), "images": sum(passed.values()),
    "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
}))
"""
GRAY, COLOR, LARGE = (1, 28, 28), (3, 32, 32), (3, 224, 224)
SCANS: dict[str, tuple[tuple[int, str, int, tuple[int, int, int]], ...]] = {
    "classes": tuple((k, "paper_cnn", k, GRAY) for k in (2, 10, 43, 200, 1000)),
    "pixels (side)": tuple((s, "small_resnet", 10, (3, s, s)) for s in (28, 32, 64, 128, 224)),
    "network": (
        (1, "pytorch_tutorial_cnn", 10, COLOR),
        (2, "plain_cnn_32_64_32", 10, COLOR),
        (3, "akamaster_resnet20", 10, COLOR),
        (4, "plain_cnn_32_64_32", 43, COLOR),
        (5, "kuangliu_resnet18", 10, COLOR),
        (6, "torchvision_efficientnet_b0", 1000, LARGE),
        (7, "torchvision_vit_b_16", 10, LARGE),
    ),
}
"""Per series its points: size, network of the catalogue, classes, and shape of the images."""

ENSEMBLE_CLASSES = (10, 43, 100)


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


def scan(network: str, classes: int, shape: tuple[int, int, int]) -> dict[str, Any]:
    """A default scan of an untrained network, in a fresh process."""
    point = json.dumps([network, classes, shape])
    done = subprocess.run(
        [sys.executable, "-c", SCAN, point], capture_output=True, text=True, check=True
    )
    return dict(json.loads(done.stdout))


@click.command()
@click.option("--series", type=click.Choice([*SCANS]), multiple=True, help="These alone.")
@click.option("--largest", type=int, default=10**9, help="Sizes up to this one.")
def main(series: tuple[str, ...], largest: int) -> None:
    """Measure default scans; what is measured already stays, unless measured again."""
    for name in series or SCANS:
        for size, network, classes, shape in SCANS[name]:
            if size > largest:
                continue
            found = recorded("growth").get(name, {})
            point = {"network": network, "classes": classes, "side": shape[1]}
            found[str(size)] = point | scan(network, classes, shape)
            record("growth", name, found)
            click.echo(f"{name} {size}: {found[str(size)]}", err=True)


if __name__ == "__main__":
    main()
