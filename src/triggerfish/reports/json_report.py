"""Everything but the images, for programs. `SCHEMA_VERSION` grows when a field changes meaning."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict

from triggerfish.reports.summary import outcome, summarize
from triggerfish.results import Scanned, Skipped

SCHEMA_VERSION = 1


def render_json(results: Iterable[Scanned | Skipped]) -> Iterator[str]:
    """One document: ``schema_version``, ``results`` and the ``summary`` counts.

    It comes in one piece at the end; a result's images are let go as soon as it is converted.
    """
    converted, outcomes = [], []
    for result in results:
        converted.append(as_dict(result))
        outcomes.append(outcome(result))
    document = {
        "schema_version": SCHEMA_VERSION,
        "results": converted,
        "summary": asdict(summarize(outcomes)),
    }
    yield json.dumps(document, indent=1, allow_nan=False) + "\n"


def as_dict(result: Scanned | Skipped) -> dict[str, object]:
    """One result as plain data; what was not measured is None."""
    if isinstance(result, Skipped):
        return {
            "path": str(result.path),
            "sha256": result.sha256,
            "status": "skipped",
            "reasons": [result.reason],
        }
    scores, verdict = result.scores, result.verdict
    data = {
        "path": None if result.path is None else str(result.path),
        "sha256": result.sha256,
        "status": "scanned",
        "verdict": verdict.name,
        "flagged": verdict.flagged,
        "reasons": [str(reason) for reason in verdict.reasons],
        "notes": verdict.notes,
        "threshold": verdict.threshold,
        "p_value": verdict.p_value,
        "smallest_p_value": verdict.smallest_p_value,
        "reference": verdict.reference,
        "anomaly_index": verdict.anomaly_index,
        "statistic_name": scores.name,
        "statistic": scores.statistic.tolist(),
        "class_status": [s.value for s in scores.status],
        "probability": scores.probability.tolist(),
        "details": {name: vector.tolist() for name, vector in scores.details.items()},
        "pairs": _pairs(result),
        "seconds": round(result.seconds, 3),
        "detector": result.detector,
        "config": result.config,
        "environment": result.environment,
    }
    plain = as_plain(data)
    assert isinstance(plain, dict)
    return plain


def _pairs(result: Scanned) -> dict[str, object] | None:
    """Class pairs, rows the sources; ``flagged`` has the strongest source of each flagged class."""
    pairs = result.scores.pairs
    if pairs is None:
        return None
    return {
        "flagged": pairs.strongest(result.verdict.flagged),
        "score": pairs.score.tolist(),
        "norm": pairs.norm.tolist(),
    }


def as_plain(value: object) -> object:
    """``value`` as JSON has it: no tuples, and null for NaN and infinity (not measured)."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): as_plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_plain(v) for v in value]
    return value
