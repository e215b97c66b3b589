"""What the checks notice, and whether they leave sound models alone.

    python -m benchmarks.checks --root /var/tmp/zoos/mnist/development [--scans 2]

Every condition of benchmarks/conditions.py on every model of the zoos under the root: what the
checks of the model itself say, and, for the first few small networks of a zoo, the whole verdict of
min-norm (with one round, so that classes out of reach cost little: more would reach a few of them).
Counts are a line a zoo of benchmarks/results/checks.json; a zoo that is there is left out unless it
has grown. ``python -m benchmarks.tables`` puts them into docs/limits.md.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import torch

from benchmarks.common import RESULTS, recorded
from benchmarks.conditions import CONDITIONS, Case
from triggerfish.architectures import own
from triggerfish.detectors.min_norm import MinNorm
from triggerfish.files import write_atomically
from triggerfish.loading.load import open_model
from triggerfish.model.classifier import Classifier, Preprocessing
from triggerfish.results import Verdict
from triggerfish.scanning import ScanConfig, scan_classifier
from triggerfish.verdict.sanity import check_model
from triggerfish.zoo.data.datasets import normalisation
from triggerfish.zoo.manifest import Entry, read_manifest

ONE_ROUND = ScanConfig(MinNorm(rounds=1))
SMALL = ("lenet", "mlp")
"""Networks whose verdicts are counted: a scan of one takes a second."""
CLEAN_SHARE = 4
"""Clean models scanned for each one of an attack, of which there are more kinds."""


def case_of(path: Path, entry: Entry) -> Case:
    """The trained model as its recipe says it was made."""
    loaded = open_model(path)
    mean, std = normalisation(str(entry.recipe["data"]))
    return Case(
        network=loaded.network,
        architecture=str(entry.recipe["architecture"]),
        shape=loaded.classifier.input_shape,
        right=Preprocessing(mean, std),
        classes=loaded.classifier.num_classes,
        seed=entry.seed,
    )


def outcome(verdict: Verdict, targets: tuple[int, ...]) -> str:
    """``right`` (flags the truth and nothing else), ``inconclusive``, ``doubted`` or ``wrong``.

    A wrong flag with a reason beside it is *doubted*. A clean verdict never has a reason.
    """
    if verdict.name == "inconclusive":
        return "inconclusive"
    if set(verdict.flagged) == set(targets):
        return "right"
    return "doubted" if verdict.reasons else "wrong"


class Tally:
    """Counts of one condition on one zoo."""

    def __init__(self) -> None:
        self.models, self.scans, self.noticed = 0, 0, 0
        self.codes, self.outcomes, self.reasons = Counter[str](), Counter[str](), Counter[str]()

    def add(self, classifier: Classifier, targets: tuple[int, ...], *, scanned: bool) -> None:
        """Check, and scan if asked, one model."""
        found = [finding.code for finding in check_model(classifier)]
        self.models += 1
        self.noticed += bool(found)
        self.codes.update(found)
        if scanned:
            verdict = scan_classifier(classifier, ONE_ROUND).verdict
            self.scans += 1
            self.outcomes[outcome(verdict, targets)] += 1
            self.reasons.update(reason.code for reason in verdict.reasons)

    def plain(self) -> dict[str, Any]:
        """As JSON, without what is empty."""
        return {name: value for name, value in vars(self).items() if value}


def measure(zoo: Path, scans: int) -> dict[str, Any]:
    """All conditions on all models of one zoo."""
    tallies = {name: Tally() for name in CONDITIONS}
    entries = read_manifest(zoo)
    attacked = any(entry.targets for entry in entries.values())
    scans = scans if attacked else CLEAN_SHARE * scans
    for number, (file, entry) in enumerate(entries.items()):
        case = case_of(zoo / file, entry)
        small = case.architecture in SMALL
        for name, condition in CONDITIONS.items():
            tallies[name].add(condition(case), entry.targets, scanned=small and number < scans)
    return {
        "models": len(entries),
        "attacked": attacked,
        "conditions": {name: tally.plain() for name, tally in tallies.items()},
    }


def untrained(seeds: int) -> dict[str, Any]:
    """Freshly initialised networks of our zoos: how many the checks notice."""
    result = {}
    for entry in own.ENTRIES:
        tally = Tally()
        for seed in range(seeds):
            torch.manual_seed(seed)
            tally.add(Classifier(entry(), entry.input_shape), (), scanned=False)
        result[f"untrained/{entry.name}"] = tally.plain()
    return result


def write(results: Mapping[str, Any]) -> None:
    """Replace the file of results, one line a zoo."""
    lines = [f"{json.dumps(key)}: {json.dumps(results[key])}" for key in sorted(results)]
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    write_atomically(RESULTS / "checks.json", lambda path: path.write_text(text, "utf-8"))


@click.command()
@click.option("--root", required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--scans", default=2, show_default=True, help="Models scanned of each attack.")
def main(root: Path, scans: int) -> None:
    """Measure what is not there yet."""
    torch.set_num_threads(1)
    results = {**recorded("checks"), **untrained(seeds=20)}
    for zoo in sorted(path for path in root.iterdir() if read_manifest(path)):
        entries = read_manifest(zoo)
        key = f"{next(iter(entries.values())).recipe['data']}/{zoo.name}"
        if results.get(key, {}).get("models") != len(entries):
            results[key] = measure(zoo, scans)
            write(results)
            click.echo(f"{key}: {len(entries)} models", err=True)


if __name__ == "__main__":
    main()
