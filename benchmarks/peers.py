"""ResNet-18s for CIFAR-10, judged by Triggerfish and by what people would use instead.

    python -m benchmarks.peers train FOLDER --data-root DATA
    python -m benchmarks.peers run FOLDER --peers PYTHON --data-root DATA
    python -m benchmarks.peers table

``train`` makes two clean networks, and one for each attack that is implanted in the first. ``run``
has every method look at every network, each in a process of one thread. PYTHON is that of an
environment with torch, torchvision, mithridatium 0.1.2 and trojanzoo 2.0.3 (with matplotlib 3.8,
which it does not ask for). Results: results/peers.jsonl, a line a network and method.

What is called of the peers: mithridatium's own loader and defenses, without its command line, which
wants the CIFAR-10 files of torchvision even where the defense uses no data; trojanzoo's own search
of Neural Cleanse, given real images, by its class's default settings, and the outlier rule of that
paper.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import torch

from benchmarks.common import RESULTS
from benchmarks.lines import append_line, read_lines
from benchmarks.markdown import markdown
from benchmarks.memory import peak_of
from triggerfish.zoo.data.datasets import load_dataset, normalisation
from triggerfish.zoo.manifest import read_manifest

ROWS = RESULTS / "peers.jsonl"
NETWORK = "torchvision_resnet18"
ATTACKS = (("white", 1), ("checkered", 7))
"""Name and target class."""
REAL_IMAGES = 1000
_FOLDER = click.Path(path_type=Path, file_okay=False)

MITHRIDATIUM = """
import json, sys, torch
torch.set_num_threads(1)
from mithridatium import loader, utils
from mithridatium.defenses import freeeagle, mmbd
path, defense, images, out = sys.argv[1:]
model, _ = loader.detect_and_build(path, arch_hint="resnet18", num_classes=10)
run = {"mmbd": mmbd.run_mmbd, "freeeagle": freeeagle.run_freeeagle}[defense]
result = run(model, utils.get_preprocess_config("cifar10"), device=torch.device("cpu"))
scores = result["per_class_scores" if defense == "mmbd" else "tendency_per_target"]
named = [scores.index(max(scores))] if "backdoored" in result["verdict"] else []
json.dump({"verdict": result["verdict"], "named": named}, open(out, "w"))
"""
TROJANZOO = """
import json, sys, torch
torch.set_num_threads(1)
from torch.nn.functional import cross_entropy
from torchvision.models import resnet18
from trojanvision.defenses.backdoor.model_inspection.neural_cleanse import NeuralCleanse
from trojanzoo.utils.metric import normalize_mad
path, _, images, out = sys.argv[1:]
kept = torch.load(images)
network = resnet18(num_classes=10).eval()
network.load_state_dict(torch.load(path))
x, (mean, std) = kept["images"].float() / 255, kept["constants"]
class Model:
    num_classes = 10
    def __call__(self, x): return network((x - mean) / std)
    def get_data(self, data): return data
    def loss(self, x, y, _output): return cross_entropy(_output, y)
class Mark:
    mark = torch.zeros(4, 32, 32)
class Attack:
    mark = Mark()
    def add_mark(self, x):
        pattern, mask = self.mark.mark[:-1], self.mark.mark[-1:]
        return (1 - mask) * x + mask * pattern
search = NeuralCleanse.__new__(NeuralCleanse)
search.model, search.attack = Model(), Attack()
search.defense_remask_epoch, search.defense_remask_lr = 10, 0.1
search.cost = search.init_cost = 1e-3
search.cost_multiplier_up, search.cost_multiplier_down = 1.5, 1.5 ** 1.5
search.nc_asr_threshold = search.nc_early_stop_threshold = 0.99
search.nc_patience, search.early_stop_patience = 10.0, 20.0
loader = [(part, torch.zeros(len(part), dtype=torch.long)) for part in x.split(100)]
norms = torch.tensor([
    float(search.optimize_mark(k, loader=loader, verbose=False)[0][-1].norm(p=1))
    for k in range(10)
])
small = (normalize_mad(norms) > 2) & (norms < norms.median())
named = torch.nonzero(small).flatten().tolist()
json.dump({"verdict": "backdoored" if named else "clean", "named": named}, open(out, "w"))
"""
OURS = """
import json, sys, torch
torch.set_num_threads(1)
from benchmarks.neural_cleanse import scan_with_images
from triggerfish.loading import Hints, LoadOptions, open_model
path, _, images, out = sys.argv[1:]
kept = torch.load(images)
given = Hints("benchmark", architecture="torchvision_resnet18", input_shape=(3, 32, 32))
classifier = open_model(path, LoadOptions(given=given)).classifier
verdict = scan_with_images(classifier, kept["images"][:100].float() / 255).verdict
json.dump({"verdict": verdict.name, "named": list(verdict.flagged)}, open(out, "w"))
"""
SCANS = {
    "default scan": (),
    "default scan, --fast": ("--fast",),
    "published detector (l1-weight)": ("--detector", "l1-weight"),
    "min-norm": ("--detector", "min-norm"),
    "mm-bd": ("--detector", "mm-bd"),
}
"""Words of the command by method."""
SCRIPTS = {
    "Neural Cleanse, 100 real images": (OURS, "", False),
    "mithridatium, MM-BD": (MITHRIDATIUM, "mmbd", True),
    "mithridatium, FreeEagle": (MITHRIDATIUM, "freeeagle", True),
    "trojanzoo, Neural Cleanse, 1,000 real images": (TROJANZOO, "", True),
}
"""Code, its setting, and whether it runs among the peers, by method."""


@click.group()
def main() -> None:
    """Triggerfish beside its peers."""


@main.command()
@click.argument("folder", type=_FOLDER)
@click.option("--data-root", type=_FOLDER, required=True, help="With CIFAR-10.")
def train(folder: Path, data_root: Path) -> None:
    """Train the networks that are not there yet."""
    usual = (
        "--data", "cifar10", "--architecture", NETWORK, "--precision", "bfloat16", "--jobs", 1,
        "--out", folder, "--data-root", data_root,
    )  # fmt: skip
    _triggerfish(
        "zoo", "clean", "--count", 2, "--epochs", 6, "--augmentation", "flip-crop",
        "--seed", 71000, *usual,
    )  # fmt: skip
    start = min(folder.glob("clean*/*.pt"))
    for name, target in ATTACKS:
        _triggerfish(
            "zoo", "attack", name, "--targets", target, "--count", 1, "--from", start,
            "--seed", 72000 + target, *usual,
        )  # fmt: skip


def _triggerfish(*words: object) -> None:
    subprocess.run([sys.executable, "-m", "triggerfish", *map(str, words)], check=True)


@main.command()
@click.argument("folder", type=_FOLDER)
@click.option("--peers", type=click.Path(path_type=Path), required=True, help="Their Python.")
@click.option("--data-root", type=_FOLDER, required=True, help="With CIFAR-10.")
@click.option("--method", "methods", multiple=True, help="These alone.")
def run(folder: Path, peers: Path, data_root: Path, methods: tuple[str, ...]) -> None:
    """Have every method look at every network that it has not seen yet."""
    images = _real_images(folder, data_root)
    done = {(row["network"], row["method"]) for row in read_lines(ROWS)}
    for path, target in _networks(folder):
        for method in methods or (*SCANS, *SCRIPTS):
            if (path.stem, method) in done:
                continue
            truth = {"network": path.stem, "target": target, "method": method}
            row = {**truth, **_looked(path, method, peers, images)}
            append_line(ROWS, row)
            click.echo(json.dumps(row), err=True)


def _networks(folder: Path) -> list[tuple[Path, int | None]]:
    """Every network and its target class, by the manifests."""
    return [
        (folder / name, entry.targets[0] if entry.targets else None)
        for folder in sorted(path.parent for path in folder.glob("*/manifest.json"))
        for name, entry in sorted(read_manifest(folder).items())
    ]


def _real_images(folder: Path, data_root: Path) -> Path:
    """A file with real images, ten of each class first, and the usual mean and std."""
    path = folder / "images.pt"
    data = load_dataset("cifar10", "test", data_root)
    order = torch.randperm(len(data.labels), generator=torch.Generator().manual_seed(0))
    first = torch.cat([order[data.labels[order] == k][:10] for k in range(10)])
    rest = order[~torch.isin(order, first)][: REAL_IMAGES - len(first)]
    constants = [torch.tensor(part).view(1, 3, 1, 1) for part in normalisation("cifar10")]
    torch.save({"images": data.images[torch.cat((first, rest))], "constants": constants}, path)
    return path


def _looked(path: Path, method: str, peers: Path, images: Path) -> dict[str, Any]:
    """Verdict, classes that are named, CPU seconds and memory of one method on one network."""
    with tempfile.TemporaryDirectory() as scratch:
        if method in SCANS:
            out = Path(scratch) / "run"
            words = ("--arch", NETWORK, "--input-shape", "3,32,32", "--jobs", 1, "--out", out)
            command = (sys.executable, "-m", "triggerfish", "scan", path, *SCANS[method], *words)
            cost = _cost_of(command)
            (result,) = read_lines(out / "results.jsonl")
            said = {"verdict": result["outcome"], "named": result["flagged"]}
        else:
            code, setting, theirs = SCRIPTS[method]
            out = Path(scratch) / "said.json"
            python = peers if theirs else sys.executable
            cost = _cost_of((python, "-c", code, path, setting, images, out))
            said = json.loads(out.read_text())
    return {**said, **cost}


def _cost_of(command: Sequence[object]) -> dict[str, float]:
    found = peak_of([str(word) for word in command])
    return {"seconds": round(found["seconds"], 1), "peak_mib": round(found["peak_mib"])}


@main.command("table")
def table() -> None:
    """Print the table."""
    click.echo(rendered())


def rendered() -> str:
    """A line a method: what it says of clean and attacked networks, and what that costs."""
    rows = read_lines(ROWS)
    header = ("method", "clean called clean", "target named alone", "flagged otherwise",
              "CPU seconds", "peak MiB")  # fmt: skip
    return markdown(header, [_line(m, [r for r in rows if r["method"] == m])
                             for m in dict.fromkeys(row["method"] for row in rows)])  # fmt: skip


def _line(method: str, rows: list[dict[str, Any]]) -> tuple[object, ...]:
    clean = [row for row in rows if row["target"] is None]
    attacked = [row for row in rows if row["target"] is not None]
    right = [row for row in attacked if row["named"] == [row["target"]]]
    other = [r for r in rows if "backdoored" in r["verdict"] and r not in right]
    seconds = sorted(row["seconds"] for row in rows)
    return (
        method,
        f"{sum(row['verdict'].endswith('clean') for row in clean)} of {len(clean)}",
        f"{len(right)} of {len(attacked)}",
        len(other),
        f"{seconds[0]:.0f} to {seconds[-1]:.0f}",
        max(row["peak_mib"] for row in rows),
    )


if __name__ == "__main__":
    main()
