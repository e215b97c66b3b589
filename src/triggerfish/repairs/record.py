"""What was done to which file: plain data that lies beside a repaired checkpoint."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from triggerfish.repairs.method import RepairMethod
from triggerfish.repairs.repair import CHECK_PICTURES, Repaired
from triggerfish.reports.text import largest
from triggerfish.results import Scanned

SCHEMA_VERSION = 1


def record_of(
    outcome: Repaired, method: RepairMethod, seed: int, repaired: Path, content: bytes
) -> dict[str, object]:
    """The record of one repair, for JSON; ``content`` is what the file ``repaired`` holds."""
    before = outcome.before
    return {
        "schema_version": SCHEMA_VERSION,
        "accepted": outcome.accepted,
        "problems": list(outcome.problems),
        "original": {"path": str(before.path), "sha256": before.sha256},
        "repaired": {"path": str(repaired), "sha256": hashlib.sha256(content).hexdigest()},
        "targets": ["any" if k < 0 else k for k in outcome.targets],
        "method": method.name,
        "settings": asdict(method),
        "seed": seed,
        "scan": dict(before.config),
        "environment": dict(before.environment),
        "before": _side(before, outcome.success_before),
        "after": _side(outcome.after, outcome.success_after),
        "pictures": CHECK_PICTURES,
        "agreement": outcome.agreement,
        "agreement_on_images": outcome.agreement_on_images,
    }


def _side(scanned: Scanned, success: float) -> Mapping[str, object]:
    verdict = scanned.verdict
    return {
        "verdict": verdict.name,
        "flagged": list(verdict.flagged),
        "all_classes": verdict.all_classes,
        "reasons": [reason.code for reason in verdict.reasons],
        "largest_score": _number(largest(verdict.anomaly_index)),
        "success_of_changes": _number(success),
    }


def _number(value: float) -> float | None:
    """JSON knows no NaN: None where nothing was measured."""
    return None if value != value else value
