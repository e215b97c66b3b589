"""What repairs do to networks whose truth is known: accuracy and the true trigger's success.

    python -m benchmarks.repair --strangers FOLDER --data-root DATA --split develop
    python -m benchmarks.repair --zoos ROOT --data-root DATA --split reporting
    python -m benchmarks.repair --models demo/models --models my-zoo/mnist_checkered_models

FOLDER is described in `corpus`, ROOT is what make_zoos.py makes, ``--models`` are folders of zoos.
Each attacked network is repaired where the scan names a class, each clean one as if its most
suspicious class had been named, by every method and by fine-pruning with `REAL` real images
(`fine_pruning`). Ours, the first of `METHODS`, goes through `repair` with its own check; the others
are measured as they are. Accuracy and the trigger's success are on real test images. A network that
has a result is not measured again. Results, a line a network:
results/repair/{strangers,zoos}-SPLIT.jsonl and own-zoos.jsonl; `tables.py` makes the table.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import click
import torch
from torch import Tensor, nn

from benchmarks.common import RESULTS
from benchmarks.confirm import suspects
from benchmarks.fine_pruning import fine_pruned
from benchmarks.lines import append_line, read_lines
from benchmarks.suspects import Suspect, of_folders, of_strangers, of_zoos
from triggerfish.errors import NothingToRepairError, UnsupportedModelError
from triggerfish.model.classifier import Classifier
from triggerfish.repairs import METHODS, RepairMethod, Task
from triggerfish.repairs.repair import Repaired, repair, with_model
from triggerfish.results import Scanned
from triggerfish.scanning import ScanConfig, scan_classifier
from triggerfish.search.activation_maximization import chunks, evaluate
from triggerfish.zoo.data.datasets import Dataset, load_dataset

FOLDER = RESULTS / "repair"
REAL = 500
FINE_PRUNING = "fine-pruning"


@dataclass(frozen=True)
class _FinePruning(RepairMethod):
    """The baseline under the protocol of our methods; ``data`` is real and labelled."""

    name: ClassVar[str] = FINE_PRUNING
    summary: ClassVar[str] = "with real images"

    data: Dataset

    @property
    def tried(self) -> str:
        """What was done."""
        return f"fine-pruning with {REAL} real images"

    def __call__(self, classifier: Classifier, task: Task, seed: int = 0) -> nn.Module:
        """The repaired network, whatever the ``task``."""
        return fine_pruned(classifier, *drawn(self.data, REAL), seed)


def drawn(data: Dataset, count: int) -> tuple[Tensor, Tensor]:
    """Images (N, C, H, W) in [0, 1] and labels (N,), at random: files may be sorted by class."""
    rows = torch.randperm(len(data.labels), generator=torch.Generator().manual_seed(0))[:count]
    return data.images[rows].float() / 255, data.labels[rows]


def truth_of(suspect: Suspect, model: Classifier, test: Dataset, count: int) -> dict[str, object]:
    """Accuracy of ``model`` on ``count`` test images, and the suspect's triggers' least success."""
    images, labels = drawn(test, count)
    called = evaluate(model, images).argmax(1).cpu()
    accuracy = float((called == labels).double().mean())
    success = [_success(model, images, labels, *trigger) for trigger in suspect.triggers]
    return {
        "accuracy": round(accuracy, 4),
        "trigger_success": round(min(success), 4) if success else None,
    }


def _success(
    model: Classifier,
    images: Tensor,
    labels: Tensor,
    stamp: Callable[[Tensor], Tensor],
    relabel: Callable[[Tensor], Tensor],
) -> float:
    wanted = relabel(labels)
    moved = wanted != labels
    chosen = images[moved]
    stamped = torch.cat([stamp(chosen[part]) for part in chunks(len(chosen), 250)])
    return float((evaluate(model, stamped).argmax(1).cpu() == wanted[moved]).double().mean())


def row_of(suspect: Suspect, data_root: Path | None, count: int) -> dict[str, object]:
    """What is kept of one network: the truth before, and after each method."""
    test = load_dataset(suspect.data, "test", data_root)
    train = load_dataset(suspect.data, "train", data_root)
    scanned = scan_classifier(suspect.classifier, ScanConfig())
    named = bool(scanned.verdict.flagged) or scanned.verdict.all_classes
    row: dict[str, object] = {
        "id": suspect.id,
        "data": suspect.data,
        "attack": suspect.attack,
        "targets": list(suspect.targets),
        "named": named,
        "before": {**_verdict(scanned), **truth_of(suspect, suspect.classifier, test, count)},
    }
    targets = () if named else suspects(scanned)
    if (suspect.triggers and not named) or not (named or targets):
        return row
    ours, *others = (kind() for kind in METHODS.values())
    row["after"] = {
        ours.name: _repaired(suspect, ours, scanned, targets, test, count),
        **{
            method.name: _tried(suspect, method, test, count)
            for method in (*others, _FinePruning(train))
        },
    }
    return row


def _repaired(
    suspect: Suspect,
    method: RepairMethod,
    scanned: Scanned,
    targets: tuple[int, ...],
    test: Dataset,
    count: int,
) -> dict[str, object]:
    """What `repair` made of a network, with its own check."""
    start = time.process_time()
    try:
        outcome = repair(suspect.classifier, targets=targets, method=method, before=scanned)
    except NothingToRepairError as error:  # a source-specific attack
        return {"error": str(error)}
    seconds = time.process_time() - start
    fixed = with_model(suspect.classifier, outcome.model)
    return {
        **_checks(outcome),
        **truth_of(suspect, fixed, test, count),
        "cpu_seconds": round(seconds, 2),
    }


def _tried(suspect: Suspect, method: RepairMethod, test: Dataset, count: int) -> dict[str, object]:
    """What a method to compare with made of a network, or why it could not."""
    start = time.process_time()
    try:
        model = method(suspect.classifier, Task(()))
    except UnsupportedModelError as error:
        return {"error": str(error)}
    seconds = time.process_time() - start
    found = truth_of(suspect, with_model(suspect.classifier, model), test, count)
    return {**found, "cpu_seconds": round(seconds, 2)}


def _checks(outcome: Repaired) -> dict[str, object]:
    before, after = outcome.success_before, outcome.success_after
    return {
        **_verdict(outcome.after),
        "accepted": outcome.accepted,
        "agreement": round(outcome.agreement, 4),
        "change_success": [None if math.isnan(v) else round(v, 4) for v in (before, after)],
    }


def _verdict(scanned: Scanned) -> dict[str, object]:
    verdict = scanned.verdict
    return {
        "verdict": verdict.name,
        "flagged": list(verdict.flagged),
        "all_classes": verdict.all_classes,
    }


def measure(
    found: Iterable[tuple[str, Callable[[], Suspect]]],
    file: Path,
    measured: Callable[[Suspect], Mapping[str, object]],
) -> None:
    """Measure what has no result yet, and keep each result at once."""
    done = {row["id"] for row in read_lines(file)}
    for name, opened in found:
        if name not in done:
            row = measured(opened())
            append_line(file, row)
            click.echo(json.dumps(row), err=True)


@click.command()
@click.option("--strangers", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--zoos", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--models",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of a zoo.",
)
@click.option(
    "--data-root",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of the data sets' files; MNIST needs none.",
)
@click.option("--split", default="develop", show_default=True)
@click.option("--id", "ids", multiple=True, help="Only these networks.")
@click.option("--count", default=2000, show_default=True, help="Test images.")
@click.option("--results", type=click.Path(path_type=Path), default=FOLDER)
def main(
    strangers: Path | None,
    zoos: Path | None,
    models: tuple[Path, ...],
    data_root: Path | None,
    split: str,
    ids: tuple[str, ...],
    count: int,
    results: Path,
) -> None:
    """Measure the networks that have no result yet."""
    torch.set_num_threads(1)
    sources = {
        f"strangers-{split}": of_strangers(strangers, split) if strangers else (),
        f"zoos-{split}": of_zoos(zoos, split) if zoos else (),
        "own-zoos": of_folders(models),
    }
    for name, networks in sources.items():
        measure(
            ((i, o) for i, o in networks if not ids or i in ids),
            results / f"{name}.jsonl",
            lambda suspect: row_of(suspect, data_root, count),
        )


if __name__ == "__main__":
    main()
