"""How much memory a scan takes at most, by the kernel's counter: `python -m benchmarks.memory`.

Each point is a fresh process that runs every search of the default scan, as it is but for its
length: two steps on one image a row, two batches of the first pass over many classes, few waves.
Batches are as large as in a whole scan, so the peak is the same. The bound is 1 GiB and three times
the weights.
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
from triggerfish.detectors import Universal, universal
from triggerfish.model.classifier import Classifier
from triggerfish.runtime import keep_freed_memory
from triggerfish.search import frequency, screening, sure_images
from triggerfish.model.folding import folded
from triggerfish.search.universal_settings import UniversalSearch
from triggerfish.stages import untargeted
from triggerfish.verdict.sanity import check_model
keep_freed_memory(); torch.set_num_threads(1); torch.manual_seed(0)
sure_images.STEPS = frequency.MOST_CYCLES = universal.PERTURBATIONS_SHOWN = 1
untargeted.ALL_PER_STEP = untargeted.ONE_PER_STEP = untargeted.STARTS = 1
untargeted.Universal = lambda: Universal(universal_steps=2)
batches = screening.chunks
def first_pass(classifier, *settings):
    screening.chunks = lambda count, size: list(batches(count, size))[:2]
    found = cost(classifier, *settings)
    return torch.cat([found, torch.full((classifier.num_classes - len(found),), 1e9)])
cost, screening.first_pass_cost = screening.first_pass_cost, first_pass
name, classes, shape = json.loads(sys.argv[1])
network = ARCHITECTURES[name](classes, shape[0])
weights = sum(p.nbytes for p in network.parameters()) / 2**20
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before = peak()
classifier = Classifier(network, shape)
check_model(classifier)
peaks = {"checks": peak()}
search = Universal(universal_steps=2, pictures_per_step=1, margin_steps=2)
search(classifier)
peaks["plain images"] = peak()
scores = search(classifier, sure=True)
peaks["sure images"] = peak()
untargeted.search_ways_out(folded(classifier), scores.sizes_in("pixel").size, 0)
peaks["ways out"] = peak()
short = UniversalSearch(steps=2, images_per_step=1, race=None)
confirm(classifier, 0, ConfirmConfig(search=short, control=short))
peaks["confirmation test"] = peak()
print(json.dumps({
    "peak_mib": peak(), "before_mib": before, "weights_mib": weights, "after": peaks,
    "seconds": resource.getrusage(resource.RUSAGE_SELF).ru_utime,
}))
"""
NETWORKS = (
    ("PyTorch tutorial CNN", "pytorch_tutorial_cnn", 10, (3, 32, 32)),
    ("ResNet-18 (CIFAR form)", "kuangliu_resnet18", 10, (3, 32, 32)),
    ("MobileNetV2", "torchvision_mobilenet_v2", 10, (3, 224, 224)),
    ("EfficientNet-B0", "torchvision_efficientnet_b0", 1000, (3, 224, 224)),
    ("ResNet-50", "torchvision_resnet50", 1000, (3, 224, 224)),
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
