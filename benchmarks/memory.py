"""How much memory a scan takes at most, by the kernel's counter: `python -m benchmarks.memory`.

Each point is a fresh process that runs every search of the default scan for two steps: the peak of
a step is that of them all. The bound is 1 GiB and three times the weights.
"""

from __future__ import annotations

import json
import subprocess
import sys

import click

from benchmarks.common import record

POINT = """
import json, resource, sys, torch
from triggerfish.architectures import ARCHITECTURES
from triggerfish.confirmation import ConfirmConfig, confirm
from triggerfish.detectors import Universal
from triggerfish.model.classifier import Classifier
from triggerfish.runtime import keep_freed_memory
from triggerfish.search.universal_settings import UniversalSearch
from triggerfish.verdict.sanity import check_model
keep_freed_memory(); torch.set_num_threads(1); torch.manual_seed(0)
name, classes, shape = json.loads(sys.argv[1])
network = ARCHITECTURES[name](classes, shape[0])
weights = sum(p.nbytes for p in network.parameters()) / 2**20
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before = peak()
classifier = Classifier(network, shape)
check_model(classifier)
Universal(universal_steps=2, margin_steps=2)(classifier)
short = UniversalSearch(steps=2, race=None)
confirm(classifier, 0, ConfirmConfig(search=short, control=short))
print(json.dumps({"peak_mib": peak(), "before_mib": before, "weights_mib": weights}))
"""
NETWORKS = (
    ("PyTorch tutorial CNN", "pytorch_tutorial_cnn", 10, (3, 32, 32)),
    ("ResNet-18 (CIFAR form)", "kuangliu_resnet18", 10, (3, 32, 32)),
    ("EfficientNet-B0", "torchvision_efficientnet_b0", 10, (3, 224, 224)),
    ("ResNet-50", "torchvision_resnet50", 10, (3, 224, 224)),
)
"""Name, network of the catalogue, classes, and shape of the images."""


@click.command()
@click.option("--only", default="", help="What a name must contain.")
def main(only: str) -> None:
    """Measure every network."""
    found: dict[str, dict[str, float]] = {}
    for name, network, classes, shape in NETWORKS:
        if only not in name:
            continue
        point = json.dumps([network, classes, shape])
        done = subprocess.run(
            [sys.executable, "-c", POINT, point], capture_output=True, text=True, check=True
        )
        title = f"{name}, {classes:,} classes at {'x'.join(map(str, shape))}"
        found[title] = json.loads(done.stdout)
        found[title]["bound_mib"] = 1024 + 3 * found[title]["weights_mib"]
        click.echo(f"{title}: {found[title]}", err=True)
        record("memory", "peak", found)


if __name__ == "__main__":
    main()
