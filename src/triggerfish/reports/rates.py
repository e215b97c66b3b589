"""How often verdicts are wrong, as our benchmarks have counted it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from triggerfish.results import Scanned


@dataclass(frozen=True)
class Rate:
    """Counts over held-out models, of scans with a reference (``calibrated``) or without one.

    Of ``clean`` models ``clean_flagged`` were flagged, of ``attacked`` ones ``attacked_clean`` were
    called clean. ``models`` says what they were.
    """

    detector: str
    calibrated: bool
    models: str
    clean: int
    clean_flagged: int
    attacked: int
    attacked_clean: int


@lru_cache(maxsize=1)
def measured() -> tuple[Rate, ...]:
    """The shipped counts, ``data/rates.json``."""
    text = (resources.files("triggerfish") / "data" / "rates.json").read_text("utf-8")
    return tuple(Rate(**entry) for entry in json.loads(text)["rates"])


def how_often_wrong(result: Scanned, rates: tuple[Rate, ...] | None = None) -> str:
    """A sentence on verdicts like this one; says so where nothing was counted."""
    verdict = result.verdict
    wanted = (result.detector, verdict.reference is not None)
    found = measured() if rates is None else rates
    rate = next((r for r in found if (r.detector, r.calibrated) == wanted), None)
    if verdict.name == "inconclusive":
        return "An inconclusive verdict is no answer: the model counts as not scanned."
    if rate is None:
        return "How often such verdicts are wrong has not been measured for this detector."
    if verdict.name == "backdoored":
        return f"Of {rate.clean} clean models ({rate.models}), {rate.clean_flagged} were flagged."
    return (
        f"Of {rate.attacked} backdoored models ({rate.models}), {rate.attacked_clean} were called "
        "clean."
    )
