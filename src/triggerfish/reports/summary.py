"""How many models ended how: the last line of a scan."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from triggerfish.results import Scanned, Skipped


@dataclass(frozen=True)
class Summary:
    """Counts of models; ``scanned`` includes flagged and inconclusive ones, never skipped ones."""

    scanned: int = 0
    flagged: int = 0
    inconclusive: int = 0
    skipped: int = 0

    def __str__(self) -> str:
        return (
            f"{self.scanned} scanned: {self.flagged} flagged, {self.inconclusive} inconclusive, "
            f"{self.scanned - self.flagged - self.inconclusive} clean; {self.skipped} skipped"
        )


def outcome(result: Scanned | Skipped) -> str:
    """``clean``, ``backdoored``, ``inconclusive`` or ``skipped``."""
    return result.verdict.name if isinstance(result, Scanned) else "skipped"


def summarize(outcomes: Iterable[str]) -> Summary:
    """Count outcomes."""
    found = list(outcomes)
    skipped = found.count("skipped")
    return Summary(
        scanned=len(found) - skipped,
        flagged=found.count("backdoored"),
        inconclusive=found.count("inconclusive"),
        skipped=skipped,
    )
