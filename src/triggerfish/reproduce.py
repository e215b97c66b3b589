"""The published protocol over the three published zoos, judged by the published criterion.

The only place where scans meet a zoo's ground truth: the scanner itself never reads a manifest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from triggerfish.api import scan_files
from triggerfish.codec.plain import as_plain
from triggerfish.files import sha256_of, write_file
from triggerfish.reports.master_summary import MasterRow, render_master_summary
from triggerfish.results import Skipped
from triggerfish.scanning import ScanConfig
from triggerfish.statistics.outliers import clopper_pearson
from triggerfish.stored import read_result, write_artefacts
from triggerfish.zoo.attacks import Poisoning
from triggerfish.zoo.attacks.patch import PatchAttack
from triggerfish.zoo.manifest import Entry, read_manifest
from triggerfish.zoo.recipes import (
    BACKDOOR_SEED,
    CLEAN_SEED,
    Recipe,
    Recipes,
    backdoor_zoo,
    clean_zoo,
    dynamic_zoo,
)

# The published names, in the published order.
ZOO_FOLDERS = {
    "backdoor": "saved_models_backdoor_10x10",
    "clean": "clean_mnist_models",
    "dynamic": "saved_models_dynamic_backdoor_10x10",
}
RESULTS_FOLDER = "am_l1_search_results"
MASTER_SUMMARY = "master_summary.csv"


@dataclass(frozen=True)
class FolderScore:
    """How many of a folder's ``total`` models are correct, with a 95 % Clopper-Pearson interval."""

    folder: str
    correct: int
    total: int
    low: float
    high: float


def published_recipes(folder: str, limit: int | None = None) -> Recipes:
    """File names and recipes of one published folder: all 100, or the first ``limit``.

    Raises:
        ValueError: an unknown folder or a limit below one.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"expected a limit of at least 1, got {limit}")
    count, poisoned = 100 if limit is None else min(limit, 100), Recipe(seed=BACKDOOR_SEED)
    if folder == "clean":
        return clean_zoo(Recipe(seed=CLEAN_SEED), count)
    if folder == "backdoor":
        return backdoor_zoo(poisoned, PatchAttack(), Poisoning(), count=count)
    if folder == "dynamic":
        return dynamic_zoo(poisoned, PatchAttack(), Poisoning(), count)
    raise ValueError(f"expected a folder of {list(ZOO_FOLDERS)}, got {folder!r}")


def reproduce_folder(
    folder: str, recipes: Recipes, zoo: Path, out: Path, config: ScanConfig, jobs: int = 1
) -> Iterator[MasterRow]:
    """Scan a folder's models, write each one's files to ``out/<folder>/<model>/``, judge them.

    A model that was scanned before with this configuration is not scanned again.
    """
    entries = read_manifest(zoo)
    places = {zoo / file: out / folder / Path(file).stem for file in recipes}
    flags = {path: recorded_flags(place, path, config) for path, place in places.items()}
    unknown = [path for path in places if flags[path] is None]
    results = iter(scan_files(unknown, config, jobs=jobs) if unknown else ())
    for path, place in places.items():
        expected, detected = expected_label(entries[path.name]), flags[path]
        if detected is None:
            result = next(results)
            if isinstance(result, Skipped):
                yield MasterRow(folder, path.stem, expected, (), "skipped")
                continue
            write_artefacts(result, place)
            detected = result.verdict.flagged
        yield judged(folder, path.stem, expected, detected)


def expected_label(entry: Entry) -> int | None:
    """The target class of a model with one target; None for a clean model."""
    return entry.targets[0] if entry.targets else None


def judged(folder: str, model: str, expected: int | None, detected: tuple[int, ...]) -> MasterRow:
    """The published criterion: nothing flagged when clean, else exactly the target."""
    correct = detected == (() if expected is None else (expected,))
    return MasterRow(folder, model, expected, detected, "correct" if correct else "incorrect")


def recorded_flags(folder: Path, path: Path, config: ScanConfig) -> tuple[int, ...] | None:
    """The flags of an earlier scan of this very file with this very configuration, if any."""
    recorded = read_result(folder)
    if recorded is None or recorded.get("config") != as_plain(config.as_plain()):
        return None
    if recorded.get("sha256") != sha256_of(path):
        return None
    flagged = recorded["flagged"]
    assert isinstance(flagged, list)
    return tuple(flagged)


def write_summary(rows: Iterable[MasterRow], out: Path) -> None:
    """Write ``master_summary.csv`` for the models done so far."""
    write_file(out / MASTER_SUMMARY, render_master_summary(rows).encode())


def score(folder: str, rows: Sequence[MasterRow]) -> FolderScore:
    """Count correct models; a skipped one is not correct."""
    correct = sum(row.status == "correct" for row in rows)
    low, high = clopper_pearson(correct, len(rows))
    return FolderScore(folder, correct, len(rows), low, high)
