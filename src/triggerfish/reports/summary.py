"""How many models ended how: the last line of a scan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from triggerfish.reports.text import printable
from triggerfish.results import Scanned, Skipped, Verdict

Outcome = Literal["clean", "backdoored", "inconclusive", "skipped", "dangerous", "accepted"]


@dataclass(frozen=True)
class Summary:
    """Counts of models: each is in one of them beside ``scanned``, which has the first four."""

    scanned: int = 0
    """Those that are flagged, inconclusive, clean or accepted."""
    flagged: int = 0
    """Those that are backdoored by their verdict."""
    inconclusive: int = 0
    """Those of which the scan does not know."""
    skipped: int = 0
    """Files that were not scanned, without the dangerous ones."""
    dangerous: int = 0
    """Files that would run code."""
    accepted: int = 0
    """Files that somebody lists as accepted, whatever was found in them."""
    other_files: Mapping[str, int] = field(default_factory=dict)
    """By suffix, files that were not taken for a model."""

    @property
    def clean(self) -> int:
        """Models of which every verdict is clean."""
        return self.scanned - self.flagged - self.inconclusive - self.accepted

    def __str__(self) -> str:
        parts = [
            f"{self.scanned} scanned: {self.flagged} flagged, {self.inconclusive} inconclusive, "
            f"{self.clean} clean" + (f", {self.accepted} accepted" if self.accepted else ""),
            f"{self.skipped} skipped",
        ]
        if self.dangerous:
            parts.append(f"{self.dangerous} dangerous")
        if self.other_files:
            kinds = ", ".join(f"{suffix} {count}" for suffix, count in self.other_files.items())
            count = sum(self.other_files.values())
            some = "other file that is no model" if count == 1 else "other files that are no models"
            parts.append(f"{count} {some} ({kinds})")
        return "; ".join(parts)


def outcome(result: Scanned | Skipped) -> Outcome:
    """What a result counts as. A file without findings is clean, not accepted."""
    found = _found(result)
    return "accepted" if result.accepted is not None and found != "clean" else found


def _found(result: Scanned | Skipped) -> Outcome:
    if isinstance(result, Scanned):
        return result.verdict.name
    return "dangerous" if result.kind == "dangerous" else "skipped"


def summarize(outcomes: Iterable[str], other_files: Mapping[str, int] | None = None) -> Summary:
    """Count outcomes."""
    found = Counter(outcomes)
    return Summary(
        scanned=found["clean"] + found["backdoored"] + found["inconclusive"] + found["accepted"],
        flagged=found["backdoored"],
        inconclusive=found["inconclusive"],
        skipped=found["skipped"],
        dangerous=found["dangerous"],
        accepted=found["accepted"],
        other_files=dict(other_files or {}),
    )


def parts_of(result: Scanned | Skipped) -> tuple[tuple[str, Verdict], ...]:
    """The networks of a file that has several, each with its verdict, the reported one first."""
    if isinstance(result, Skipped) or not result.others:
        return ()
    return tuple((printable(r.part), r.verdict) for r in (result, *result.others))
