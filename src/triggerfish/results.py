"""What a scan returns: frozen data, no behaviour.

Detectors return `ClassScores`, the outlier test turns them into a `Verdict`, a scan of a path ends
in `Scanned` or `Skipped`. Reports read these and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Literal

from torch import Tensor


class Status(str, Enum):
    """How the search for one class ended. Only `CONVERGED` is a measurement.

    `SCREENED` classes were left out by the first pass over very many classes.
    """

    CONVERGED = "converged"
    CAP_REACHED = "cap_reached"
    UNREACHABLE = "unreachable"
    SCREENED = "screened"


VerdictName = Literal["clean", "backdoored", "inconclusive"]


@dataclass(frozen=True)
class ClassScores:
    """One detector's answer: one statistic a class, with its evidence.

    ``statistic`` (K,) float64, NaN where the class's status is not `CONVERGED`; higher is more
    suspicious. ``images`` (M, C, H, W) in [0, 1] and their re-evaluated ``logits`` (M, K) are those
    of the M classes ``shown`` (all K when None), in that order; ``probability`` (K,) is NaN for the
    others. ``details`` are further vectors (K,) for the per-class table.
    """

    name: str
    statistic: Tensor
    status: tuple[Status, ...]
    images: Tensor
    probability: Tensor
    logits: Tensor
    details: Mapping[str, Tensor] = field(default_factory=dict)
    shown: tuple[int, ...] | None = None

    @property
    def classes(self) -> tuple[int, ...]:
        """The classes that have an image, in the order of ``images``."""
        return tuple(range(len(self.status))) if self.shown is None else self.shown


@dataclass(frozen=True)
class Verdict:
    """The answer for one model. ``anomaly_index`` has one value a class, NaN where not measured.

    ``reasons`` are why it is inconclusive, or why a flag deserves doubt; ``notes`` say what it
    rests on. ``reference`` names the clean models it was calibrated on, None when uncalibrated;
    then there is no p-value, unless the outlier test has its own.
    """

    name: VerdictName
    flagged: tuple[int, ...]
    anomaly_index: tuple[float, ...]
    threshold: float
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    p_value: float | None = None
    smallest_p_value: float | None = None
    reference: str | None = None

    def __str__(self) -> str:
        targets = ", ".join(map(str, self.flagged))
        text = f"backdoored (target class {targets})" if self.name == "backdoored" else self.name
        return f"{text}: {'; '.join(self.reasons)}" if self.reasons else text


@dataclass(frozen=True)
class Scanned:
    """A model that was scanned. ``config`` is the scan's configuration as plain data."""

    path: Path | None
    sha256: str | None
    detector: str
    scores: ClassScores
    verdict: Verdict
    config: Mapping[str, object]
    seconds: float
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Skipped:
    """A path that was not scanned, and why. Never to be counted as clean."""

    path: Path
    reason: str
    sha256: str | None = None
