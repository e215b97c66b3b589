"""Scans of clean models -> the `Reference` that models like them are judged by."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from triggerfish.errors import CheckpointError
from triggerfish.loading import load_classifier
from triggerfish.model.classifier import Classifier
from triggerfish.references.making import (
    make_any_network_reference,
    make_reference,
    make_task_reference,
)
from triggerfish.references.population import Reference
from triggerfish.references.recognition import fingerprint
from triggerfish.results import Scanned, Skipped
from triggerfish.scanning import Load, ScanConfig
from triggerfish.statistics.outliers import Array


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
    for result in map(_scanned, results):
        classifier = load(_path_of(result))
        first = first or classifier
        if fingerprint(classifier) != fingerprint(first):
            raise CheckpointError(
                f"expected models of one network and task, got {classifier.name} that differs from "
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
    statistics = [_scanned(result).scores.statistic.numpy() for result in results]
    return make_any_network_reference(name, config.detector, statistics, recipe)


def same_task_from(
    results: Iterable[Scanned | Skipped],
    name: str,
    config: ScanConfig,
    load: Load = load_classifier,
    recipe: str = "",
) -> Reference:
    """The reference of kind *same-task* that clean models of any shape make on the task ``name``.

    Raises:
        CheckpointError: a model that could not be scanned.
        ValueError: fewer than ten models, or models of several tasks.
    """
    classifiers, statistics = list[Classifier](), list[Array]()
    for result in map(_scanned, results):
        classifiers.append(load(_path_of(result)))
        statistics.append(config.detector.compared(result.scores).numpy())
    return make_task_reference(name, config.detector, classifiers, statistics, recipe)


def _scanned(result: Scanned | Skipped) -> Scanned:
    if isinstance(result, Skipped):
        raise CheckpointError(_unusable(result.path, result.reason))
    return result


def _path_of(result: Scanned) -> Path:
    if result.path is None:
        raise CheckpointError(_unusable(None, "it has no file"))
    return result.path


def _unusable(path: Path | None, reason: str) -> str:
    return f"expected clean models that can be scanned, got {path} ({reason}): remove it"
