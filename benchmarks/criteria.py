"""Which rows count as what: valid attacks, clean models to compare with, right answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import median

from benchmarks.rows import Row
from triggerfish.reproduce import ZOO_FOLDERS
from triggerfish.zoo.factory import MAX_ACCURACY_LOSS, MIN_SUCCESS

PAIRWISE_ATTACKS = ("source-specific", "all-to-all")
"""Attacks that leave no class cheap from everywhere: reported apart."""
REPORTED = ("held-out", "reporting", "published")
"""Splits on which nothing was chosen."""
_PUBLISHED_NAMES = {folder: f"published {kind}" for kind, folder in ZOO_FOLDERS.items()}

Accuracies = Mapping[tuple[str, str], float]


def attack_name(row: Row) -> str:
    """What to call the attack in a table; the published folders by their published names."""
    return _PUBLISHED_NAMES.get(row.attack or "", row.attack or "-")


def is_standard(row: Row) -> bool:
    """A clean model trained as the attacked ones of its architecture are."""
    return row.attack is None and row.variety in ("published", row.architecture)


def clean_accuracies(rows: Iterable[Row]) -> Accuracies:
    """Median accuracy of the clean models of each data set and architecture."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for row in rows:
        if is_standard(row):
            models = found.setdefault((row.data, row.architecture), {})
            models[row.sha256] = row.clean_accuracy
    return {kind: median(models.values()) for kind, models in found.items()}


def is_valid(row: Row, accuracies: Accuracies) -> bool:
    """Whether a model counts: its attack works, and it is as accurate as clean models are.

    Without a clean model to compare with, the success alone decides. Clean models all count.
    """
    if row.attack_success_rate is None:
        return True
    usual = accuracies.get((row.data, row.architecture), 0.0)
    accurate = row.clean_accuracy >= usual - MAX_ACCURACY_LOSS - 1e-9
    return row.attack_success_rate >= MIN_SUCCESS and accurate


def target_first(row: Row) -> bool:
    """The largest index is a target's, flagged or not."""
    return row.first in row.targets


def pair_first(row: Row) -> bool:
    """The class with the largest index and the source suspected for it are a pair that moves."""
    return (
        row.first is not None
        and row.sources is not None
        and (row.sources[row.first], row.first) in row.pairs
    )


def named_right(row: Row) -> bool:
    """Something is flagged, and nothing but targets."""
    return bool(row.flagged) and set(row.flagged) <= set(row.targets)


def exactly_the_truth(row: Row) -> bool:
    """The published criterion: nothing flagged in a clean model, else exactly the targets."""
    return set(row.flagged) == set(row.targets)
