"""Statistics of clean models -> the reference population that others are compared with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from triggerfish.detectors.base import Detector, settings_of
from triggerfish.levels import is_compared_with_tasks
from triggerfish.model.classifier import Classifier
from triggerfish.references.population import Reference, plain
from triggerfish.references.recognition import (
    ALIKE,
    answers,
    fingerprint,
    geometry,
    likeness,
    mean_answers,
)
from triggerfish.statistics.outliers import Array


def make_reference(
    name: str,
    detector: Detector,
    classifier: Classifier,
    statistics: Sequence[Array],
    recipe: str = "",
) -> Reference:
    """A reference from the statistics (K,) of clean models like ``classifier``.

    ``recipe`` says how they were trained: the p-value holds for models made like them.

    Raises `ValueError` for fewer than ten models (ranks among so few mean nothing), and for
    networks without weights, which nothing can be told by.
    """
    network, task = fingerprint(classifier)
    if not network:
        raise ValueError("expected networks with weights to know them by, got none")
    settings, rows = plain(settings_of(detector)), tuple(map(_row, statistics))
    return Reference(name, detector.name, settings, network, task, rows, recipe=recipe)


def make_any_network_reference(
    name: str, detector: Detector, statistics: Sequence[Array], recipe: str = ""
) -> Reference:
    """A collection of clean networks of any shape and task, from their statistics (K,).

    Raises `ValueError` for fewer than ten models.
    """
    rows = tuple(_row(np.nanmax(values, keepdims=True)) for values in statistics)
    settings = plain(settings_of(detector))
    return Reference(name, detector.name, settings, "", {}, rows, "any-network", recipe)


def make_task_reference(
    name: str,
    detector: Detector,
    classifiers: Sequence[Classifier],
    statistics: Sequence[Array],
    recipe: str = "",
) -> Reference:
    """A collection of clean networks of one task and any shape, from their statistics.

    Each network has (K,) or, of a detector of pairs, (K, K). ``name`` is the task's. Networks that
    the others would not recognise are left out: what is ordinary on the task is not told by them.

    Raises `ValueError` for another input shape or number of classes, for fewer than ten, and for a
    detector whose levels among networks of the task nobody knows.
    """
    if not is_compared_with_tasks(detector.scored_by):
        raise ValueError(
            f"expected universal or ensemble, got {detector.name}: it has no levels for a task"
        )
    geometries = [_geometry(classifier) for classifier in classifiers]
    if any(other != geometries[0] for other in geometries):
        raise ValueError("expected networks of one input shape and number of classes, got several")
    found = [answers(classifier) for classifier in classifiers]
    kept = [
        i
        for i in range(len(found))
        if likeness(found[i], mean_answers([*found[:i], *found[i + 1 :]])) >= ALIKE
    ]
    if len(kept) < 10:
        raise ValueError(
            f"expected at least 10 clean networks that answer alike, got {len(kept)} of "
            f"{len(found)}: their classes may be in another order"
        )
    return Reference(
        name,
        detector.name,
        plain(settings_of(detector)),
        "",
        geometries[0],
        tuple(_row(statistics[i].reshape(-1)) for i in kept),
        "same-task",
        recipe,
        tuple(tuple(map(_short, row)) for row in mean_answers([found[i] for i in kept])),
    )


def _geometry(classifier: Classifier) -> dict[str, object]:
    return geometry(classifier.input_shape, classifier.num_classes)


def _short(value: float) -> float:
    return round(float(value), 4)


def _row(values: Array) -> tuple[float | None, ...]:
    return tuple(round(float(v), 5) if np.isfinite(v) else None for v in values)
