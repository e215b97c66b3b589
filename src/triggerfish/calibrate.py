"""Scans of clean models -> the `Reference` that models like them are judged by."""

from __future__ import annotations

from collections.abc import Iterable

from triggerfish.errors import CheckpointError
from triggerfish.loading import load_classifier
from triggerfish.results import Scanned, Skipped
from triggerfish.scanning import Load, ScanConfig
from triggerfish.statistics.outliers import Array
from triggerfish.verdict.fingerprint import fingerprint
from triggerfish.verdict.reference import Reference, make_any_network_reference, make_reference


def reference_from(
    results: Iterable[Scanned | Skipped],
    name: str,
    config: ScanConfig,
    load: Load = load_classifier,
    recipe: str = "",
) -> Reference:
    """The reference that clean models of one network and recipe make.

    ``results`` are their scans by ``config``; ``recipe`` says how they were trained.

    Raises:
        CheckpointError: a model that could not be scanned, or of another network or task.
        ValueError: fewer than ten models, or models without weights.
    """
    statistics, first = list[Array](), None
    for result in results:
        if isinstance(result, Skipped) or result.path is None:
            raise CheckpointError(_unusable(result))
        classifier = load(result.path)
        first = first or classifier
        if fingerprint(classifier) != fingerprint(first):
            raise CheckpointError(
                f"expected models of one network and task, got {result.path} that differs from "
                f"{first.name}: calibrate each kind apart"
            )
        statistics.append(result.scores.statistic.numpy())
    if first is None:
        raise ValueError("expected at least 10 clean models, got none")
    return make_reference(name, config.detector, first, statistics, recipe)


def collection_from(
    results: Iterable[Scanned | Skipped], name: str, config: ScanConfig, recipe: str = ""
) -> Reference:
    """The reference of kind *any-network* that clean models of any shape and task make.

    Raises:
        CheckpointError: a model that could not be scanned.
        ValueError: fewer than ten models.
    """
    statistics = []
    for result in results:
        if isinstance(result, Skipped):
            raise CheckpointError(_unusable(result))
        statistics.append(result.scores.statistic.numpy())
    return make_any_network_reference(name, config.detector, statistics, recipe)


def _unusable(result: Scanned | Skipped) -> str:
    reason = result.reason if isinstance(result, Skipped) else "it has no file"
    return f"expected clean models that can be scanned, got {result.path} ({reason}): remove it"
