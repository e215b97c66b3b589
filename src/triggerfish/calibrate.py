"""Scans of clean models -> the `Reference` that models like them are judged by."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path

from triggerfish.errors import CheckpointError
from triggerfish.loading import load_classifier
from triggerfish.model.classifier import Classifier
from triggerfish.results import Scanned, Skipped
from triggerfish.scanning import ScanConfig
from triggerfish.verdict.reference import Reference, fingerprint, make_reference


def reference_from(
    results: Iterable[Scanned | Skipped],
    name: str,
    config: ScanConfig,
    load: Callable[[Path], Classifier] = load_classifier,
) -> Reference:
    """The reference that clean models make; ``results`` are their scans by ``config``.

    Raises:
        CheckpointError: a model that could not be scanned, or of another network or task.
        ValueError: fewer than ten models.
    """
    statistics, first = [], None
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
    return make_reference(name, config.detector, asdict(config.settings), first, statistics)


def _unusable(result: Scanned | Skipped) -> str:
    reason = result.reason if isinstance(result, Skipped) else "it has no file"
    return f"expected clean models that can be scanned, got {result.path} ({reason}): remove it"
