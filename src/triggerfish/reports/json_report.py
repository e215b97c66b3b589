"""Everything but the images, for programs, by the schema that `json_schema` gives."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, fields
from importlib import resources
from typing import cast

from torch import Tensor

from triggerfish.reports.about import PLAIN, About
from triggerfish.reports.scope import looked_for, not_looked_for
from triggerfish.reports.summary import outcome, summarize
from triggerfish.results import (
    Acceptance,
    ClassScores,
    Confirmation,
    Finding,
    Perturbation,
    Scanned,
    Skipped,
    Trial,
)

SCHEMA_VERSION = 2
"""Grows when a field changes its meaning; a new field alone does not change it."""


def json_schema() -> str:
    """The JSON Schema (draft 2020-12) of a document, of a line, and of a stored result."""
    name = f"results-{SCHEMA_VERSION}.schema.json"
    return (resources.files("triggerfish.reports") / "schema" / name).read_text("utf-8")


def render_json(results: Iterable[Scanned | Skipped], about: About = PLAIN) -> Iterator[str]:
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
        "summary": asdict(summarize(outcomes, about.other_files)),
    }
    yield json.dumps(document, indent=1, allow_nan=False) + "\n"


def render_json_lines(results: Iterable[Scanned | Skipped], _: About = PLAIN) -> Iterator[str]:
    """One line a result as it comes, each a stored result by itself: for streams."""
    for result in results:
        yield json.dumps(stored(result), allow_nan=False) + "\n"


def render_result(result: Scanned | Skipped) -> str:
    """One result as a JSON document of its own."""
    return json.dumps(stored(result), indent=1, allow_nan=False) + "\n"


def stored(result: Scanned | Skipped) -> dict[str, object]:
    """One result as plain data that says by which schema."""
    return {"schema_version": SCHEMA_VERSION, **as_dict(result)}


def as_dict(result: Scanned | Skipped) -> dict[str, object]:
    """One result as plain data; what was not measured is None."""
    data = _scanned(result) if isinstance(result, Scanned) else _skipped(result)
    return cast("dict[str, object]", as_plain(data))


def _skipped(result: Skipped) -> dict[str, object]:
    return {
        "path": str(result.path),
        "sha256": result.sha256,
        "status": "skipped",
        "outcome": outcome(result),
        "kind": result.kind,
        "reasons": [_finding(Finding(result.kind, result.reason))],
        "imports": result.imports,
        "accepted": _acceptance(result.accepted),
    }


def _scanned(result: Scanned) -> dict[str, object]:
    verdict = result.verdict
    return {
        "path": None if result.path is None else str(result.path),
        "sha256": result.sha256,
        "status": "scanned",
        "outcome": outcome(result),
        "verdict": verdict.name,
        "flagged": verdict.flagged,
        "all_classes": verdict.all_classes,
        "class_names": result.class_names,
        "seen_by": verdict.seen_by,
        "sources": verdict.sources,
        "reasons": [_finding(reason) for reason in verdict.reasons],
        "notes": verdict.notes,
        "threshold": verdict.threshold,
        "p_value": verdict.p_value,
        "smallest_p_value": verdict.smallest_p_value,
        "reference": verdict.reference,
        "same_task": verdict.same_task,
        "anomaly_index": verdict.anomaly_index,
        "evidence": [asdict(row) for row in verdict.evidence],
        "accused": [asdict(hypothesis) for hypothesis in verdict.accused],
        "readings": [asdict(reading) for reading in result.readings],
        "part": result.part,
        "others": [as_dict(other) for other in result.others],
        **_scores(result.scores, verdict.flagged),
        "parts": [_scores(part, verdict.flagged) for part in result.scores.parts],
        "looked_for": looked_for(result),
        "not_looked_for": not_looked_for(result),
        "trials": [_without_tensors(trial) for trial in result.trials],
        "confirmations": [
            confirmation_as_dict(confirmation) for confirmation in result.confirmations
        ],
        "assumptions": [asdict(item) for item in result.assumptions],
        "facts": [asdict(item) for item in result.facts],
        "accepted": _acceptance(result.accepted),
        "seconds": round(result.seconds, 3),
        "detector": result.detector,
        "config": result.config,
        "environment": result.environment,
        "command": result.command,
    }


def _scores(scores: ClassScores, flagged: tuple[int, ...]) -> dict[str, object]:
    return {
        "statistic_name": scores.name,
        "statistic": scores.statistic.tolist(),
        "class_status": [status.value for status in scores.status],
        "probability": scores.probability.tolist(),
        "shown": scores.shown,
        "image_shape": list(scores.images.shape[1:]),
        "details": {name: vector.tolist() for name, vector in scores.details.items()},
        "restarts": None if scores.restarts is None else scores.restarts.tolist(),
        "pairs": _pairs(scores, flagged),
        "perturbations": [_without_tensors(perturbation) for perturbation in scores.perturbations],
        "predicted_classes": scores.predicted_classes,
        "all_classes_score": scores.all_classes,
    }


def _without_tensors(record: Perturbation | Trial) -> dict[str, object]:
    """The fields of a record, but those that are stored as files beside it."""
    values = {item.name: getattr(record, item.name) for item in fields(record)}
    return {name: value for name, value in values.items() if not isinstance(value, Tensor)}


def confirmation_as_dict(confirmation: Confirmation) -> dict[str, object]:
    """A confirmation test of a class, without the changes themselves."""
    return {
        "target": confirmation.target,
        "grade": confirmation.grade,
        "lead": confirmation.lead,
        "evidence": [asdict(item) for item in confirmation.evidence],
        "seconds": round(confirmation.seconds, 3),
    }


def _pairs(scores: ClassScores, flagged: tuple[int, ...]) -> dict[str, object] | None:
    """Class pairs, rows the sources; ``flagged`` has the strongest source of each flagged class."""
    pairs = scores.pairs
    if pairs is None:
        return None
    return {
        "flagged": pairs.strongest(flagged),
        "score": pairs.score.tolist(),
        "norm": pairs.norm.tolist(),
    }


def _finding(finding: Finding) -> dict[str, object]:
    return {"code": finding.code, "text": finding.text, "command": finding.command}


def _acceptance(acceptance: Acceptance | None) -> dict[str, object] | None:
    if acceptance is None:
        return None
    return {"reason": acceptance.reason, "until": acceptance.until.isoformat()}


def as_plain(value: object) -> object:
    """``value`` as JSON has it: no tuples, and null for NaN and infinity (not measured)."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): as_plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_plain(v) for v in value]
    return value
