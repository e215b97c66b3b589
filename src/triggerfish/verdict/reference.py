"""Scores of clean reference models -> thresholds and p-values.

A `Reference` holds the statistics that one detector gave on clean models of one network and task.
A scanned model that matches gets a conformal p-value: the rank of its most suspicious class among
theirs. It needs no assumption but that the scanned model, if clean, is like the reference models.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from torch import nn

from triggerfish.errors import CheckpointError
from triggerfish.model.classifier import Classifier

Array = NDArray[np.float64]

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Reference:
    """Statistics of clean models: ``scores[i][k]`` is model i's class k, None if not measured.

    ``detector`` and ``settings`` say what was measured, ``network`` and ``task`` on what: a
    reference applies where all four are equal (see `fingerprint`).
    """

    name: str
    detector: str
    settings: Mapping[str, object]
    network: str
    task: Mapping[str, object]
    scores: tuple[tuple[float | None, ...], ...]

    @property
    def size(self) -> int:
        """Number of reference models."""
        return len(self.scores)

    @property
    def smallest_p_value(self) -> float:
        """The strongest claim the reference allows: ``1 / (size + 1)``."""
        return 1 / (self.size + 1)

    def matrix(self) -> Array:
        """Scores (models, classes), NaN where not measured."""
        return np.array(self.scores, dtype=np.float64)

    def anomaly_index(self, values: Array) -> Array:
        """``values`` (K,) minus each class's mean over the clean models."""
        centred: Array = values - np.nanmean(self.matrix(), axis=0)
        return centred

    def clean_maxima(self) -> Array:
        """The largest anomaly index of each reference model, ascending, (size,).

        Each model is centred by the mean of the others, as a scanned model is.
        """
        scores = self.matrix()
        measured = np.isfinite(scores).sum(0)
        deviation = (scores - np.nanmean(scores, axis=0)) * measured / (measured - 1)
        return np.sort(np.nanmax(deviation, axis=1))

    def p_value(self, index: float) -> float:
        """Conformal p: ``(1 + #{clean maxima >= index}) / (size + 1)`` (Vovk et al. 2005)."""
        exceeding = self.size - np.searchsorted(self.clean_maxima(), index, side="left")
        return float((1 + exceeding) / (self.size + 1))

    def threshold(self, false_positive_rate: float) -> float:
        """Anomaly index that a clean model passes with this probability.

        Below the smallest p-value that ranks allow, the tail is a Gumbel law fitted to the clean
        maxima (the limit law of maxima); never less than the largest clean maximum.
        """
        maxima = self.clean_maxima()
        location, scale = stats.gumbel_r.fit(maxima)
        tail = float(stats.gumbel_r.isf(false_positive_rate, location, scale))
        if false_positive_rate <= self.smallest_p_value:
            return max(tail, float(maxima[-1]))
        return float(np.quantile(maxima, 1 - false_positive_rate, method="higher"))


def fingerprint(classifier: Classifier) -> tuple[str, dict[str, object]]:
    """What a reference is matched by: the network's parameter shapes, and the task's geometry.

    Weights, names and file format do not matter; a callable without parameters matches nothing.
    """
    model = classifier.model
    shapes = [list(p.shape) for p in model.parameters()] if isinstance(model, nn.Module) else []
    digest = hashlib.sha256(json.dumps(shapes).encode()).hexdigest()[:16] if shapes else ""
    return digest, {
        "input_shape": list(classifier.input_shape),
        "num_classes": classifier.num_classes,
        "preprocessing": _plain(asdict(classifier.preprocessing)),
    }


def make_reference(
    name: str,
    detector: str,
    settings: Mapping[str, object],
    classifier: Classifier,
    statistics: Sequence[Array],
) -> Reference:
    """A reference from the statistics (K,) of clean models like ``classifier``.

    Raises `ValueError` for fewer than ten models: ranks among so few mean nothing.
    """
    if len(statistics) < 10:
        raise ValueError(f"expected at least 10 clean models, got {len(statistics)}")
    network, task = fingerprint(classifier)
    rows = tuple(
        tuple(round(float(v), 5) if np.isfinite(v) else None for v in values)
        for values in statistics
    )
    return Reference(name, detector, _plain(settings), network, task, rows)


def clean_elsewhere(
    references: Iterable[Reference], detector: str, settings: Mapping[str, object]
) -> Array:
    """The largest statistic of each clean model of any network and task, (models,).

    No error rate follows from it for yet another network, but it tells an ordinary score from one
    that nothing clean has had so far.
    """
    wanted = (detector, _plain(settings))
    found = [r.matrix() for r in references if (r.detector, r.settings) == wanted]
    return np.concatenate([np.nanmax(scores, axis=1) for scores in found] or [np.empty(0)])


def find_reference(
    references: Iterable[Reference],
    classifier: Classifier,
    detector: str,
    settings: Mapping[str, object],
) -> Reference | None:
    """The first reference that was made with this detector, on this network and task."""
    wanted = (detector, _plain(settings), *fingerprint(classifier))
    for reference in references:
        if (
            reference.detector,
            reference.settings,
            reference.network,
            reference.task,
        ) == wanted:
            return reference
    return None


def shipped_references() -> list[Reference]:
    """The references that come with the package, made by benchmarks/make_references.py."""
    folder = resources.files("triggerfish") / "data" / "references"
    return [
        parse_reference(file.read_text("utf-8"), file.name)
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if file.name.endswith(".json")
    ]


def read_reference(path: Path) -> Reference:
    """Read a reference that ``triggerfish calibrate`` wrote.

    Raises `CheckpointError` when it cannot be read or is something else.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(
            f"expected a reference file at {path}, got {type(error).__name__}: "
            "make one with triggerfish calibrate"
        ) from error
    return parse_reference(text, str(path))


def parse_reference(text: str, where: str) -> Reference:
    """A reference from its JSON text; ``where`` names it in errors."""
    try:
        data = json.loads(text)
        if data.pop("schema_version") != SCHEMA_VERSION:
            raise ValueError("another schema version")
        data["scores"] = tuple(tuple(row) for row in data["scores"])
        reference = Reference(**data)
        if reference.matrix().ndim != 2 or reference.size < 10:
            raise ValueError("scores that are no table of at least 10 models")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise CheckpointError(
            f"expected a reference (JSON of triggerfish calibrate) in {where}, got {error}"
        ) from error
    return reference


def render_reference(reference: Reference) -> str:
    """The JSON text of a reference: one line a model, so that changes can be read."""
    data = {"schema_version": SCHEMA_VERSION, **asdict(reference)}
    rows = ",\n    ".join(json.dumps(row) for row in data.pop("scores"))
    head = json.dumps(data, indent=2)
    return f'{head[:-2]},\n  "scores": [\n    {rows}\n  ]\n}}\n'


def _plain(value: Mapping[str, object]) -> dict[str, object]:
    """As it reads back from JSON, so that tuples and lists compare equal.

    The memory budget is left out: it decides the batches, not the results.
    """
    plain = dict(json.loads(json.dumps(value)))
    plain.pop("memory_mib", None)
    return plain
