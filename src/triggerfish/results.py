"""What a scan returns: frozen data, no behaviour.

Detectors return `ClassScores`, the outlier test turns them into a `Verdict`, a scan of a path ends
in `Scanned` or `Skipped`. Reports read these and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
class Pairs:
    """Evidence on class pairs: row the source, column the target; NaN where not measured.

    ``score`` (K, K) float64, higher is more suspicious; ``norm`` (K, K), the smallest change from
    the one to the other, in units of a pixel's whole range.
    """

    score: Tensor
    norm: Tensor

    def strongest(self, targets: Sequence[int]) -> tuple[tuple[int, int], ...]:
        """For each target its most suspicious source: pairs (source, target)."""
        score = self.score.nan_to_num(float("-inf"))
        return tuple((int(score[:, target].argmax()), target) for target in targets)


@dataclass(frozen=True)
class ClassScores:
    """One detector's answer: one statistic a class, with its evidence.

    ``statistic`` (K,) float64, NaN where the class's status is not `CONVERGED`; higher is more
    suspicious. ``images`` (M, C, H, W) in [0, 1] and their re-evaluated ``logits`` (M, K) are those
    of the M classes ``shown`` (all K when None), in that order; ``probability`` (K,) is NaN for the
    others. ``details`` are further vectors (K,) for the per-class table; ``pairs`` what a detector
    of class pairs has measured; ``restarts`` (R, K) the statistic that each of several runs of the
    search gives by itself.
    """

    name: str
    statistic: Tensor
    status: tuple[Status, ...]
    images: Tensor
    probability: Tensor
    logits: Tensor
    details: Mapping[str, Tensor] = field(default_factory=dict)
    shown: tuple[int, ...] | None = None
    pairs: Pairs | None = None
    restarts: Tensor | None = None

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
