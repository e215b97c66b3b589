"""How a scan of a path ends: scanned, or skipped with a reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from math import inf, isfinite
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from triggerfish.codec.marks import INLINE
from triggerfish.notebook import picture_tag
from triggerfish.results.class_scores import Basis, ClassScores
from triggerfish.results.deciding import strongest_row
from triggerfish.results.model_facts import Acceptance, Assumption, Fact, ReadingResult
from triggerfish.results.tried_triggers import Confirmation, Stamp, Trial
from triggerfish.results.verdict import Finding, Verdict

Array = NDArray[np.float32]
SkipKind = Literal["unreadable", "unsupported", "dangerous", "failed"]
"""Why a file was not scanned: no model that can be read, one that cannot be scanned, one that would
run code, or a scan that broke off."""


@dataclass(frozen=True)
class Scanned:
    """A model that was scanned."""

    path: Path | None
    """The file or folder; None for a model in memory."""
    sha256: str | None
    """Of the file, or of all files in the folder; None for a model in memory."""
    detector: str
    """The detector's name."""
    scores: ClassScores
    """What the detector measured."""
    verdict: Annotated[Verdict, INLINE]
    """The answer."""
    config: Mapping[str, object]
    """The scan's configuration as plain data."""
    seconds: float
    """What the scan took."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Versions of what it ran on."""
    assumptions: tuple[Assumption, ...] = ()
    """What the verdict rests on and was guessed."""
    facts: tuple[Fact, ...] = ()
    """What somebody or something said."""
    class_names: tuple[str, ...] = ()
    """In the order of the classes; empty when not known."""
    command: str = ""
    """Repeats the scan."""
    accepted: Acceptance | None = None
    """Set where somebody lists the file as accepted: it is then never called clean."""
    trials: tuple[Trial, ...] = ()
    """The perturbations on pictures of the user's own."""
    confirmations: tuple[Confirmation, ...] = ()
    """The confirmation tests."""
    stamps: tuple[Stamp, ...] = ()
    """Triggers that replace pixels: computed from the file's program, or of a dictionary."""
    readings: tuple[ReadingResult, ...] = ()
    """What each of several readings of the file says."""
    part: str = ""
    """The network or output of the file that this is about; empty where it has one."""
    others: tuple[Scanned, ...] = ()
    """The results for the other parts, none of them worse."""

    def __repr__(self) -> str:
        """One short line: the file, the verdict with what decides it, how long it took."""
        name = "a model in memory" if self.path is None else str(self.path)
        said, row = self.verdict.headline, strongest_row(self.verdict)
        if self.verdict.name == "inconclusive" and self.verdict.reasons:
            said += f" ({self.verdict.reasons[0].code})"
        if row is not None and isfinite(row.flag_at):
            said += f", index {row.score:.2f} (threshold {row.flag_at:.2f})"
        return f"<Scanned {name}: {said}, {self.detector}, {self.seconds:.1f} s>"

    def _repr_html_(self) -> str:
        """The line, and the perturbations towards flagged classes, for a notebook."""
        found = {p.target for part in self._all_scores() for p in part.perturbations}
        pictures = [
            picture_tag(self.perturbation(k), f"found trigger for class {k}, amplified")
            for k in self.verdict.flagged
            if k in found
        ]
        return f"<p>{escape(repr(self)[1:-1])}</p>{''.join(pictures)}"

    def perturbation(self, target: int | str | None, basis: Basis | None = None) -> Array:
        """The found trigger for a class as an array (C, H, W), to be added to images in [0, 1].

        ``target`` is the class's number or name, None for an attack on every class. Where several
        were found, it is the one that is smallest beside that of the median class; ``basis`` takes
        one kind.

        Raises:
            ValueError: none was found for that class; the message says for which some were.
        """
        if isinstance(target, str) and target in self.class_names:
            target = self.class_names.index(target)
        found = [p for part in self._all_scores() for p in part.perturbations
                 if basis in (None, p.basis)]  # fmt: skip
        fitting = [p for p in found if p.target == target]
        if not fitting:
            known = ", ".join(dict.fromkeys(str(p.target) for p in found)) or "no class"
            raise ValueError(f"no perturbation was found for class {target}, only for {known}")
        smallest = min(fitting, key=lambda p: p.size / p.median_size if p.size > 0 else inf)
        array: Array = smallest.delta.detach().cpu().float().numpy()
        return array

    def _all_scores(self) -> tuple[ClassScores, ...]:
        return (self.scores, *self.scores.parts)


@dataclass(frozen=True)
class Skipped:
    """A path that was not scanned, and why. Never to be counted as clean."""

    path: Path
    """The file or folder."""
    reason: str
    """A sentence that reads *expected X, got Y: fix*."""
    sha256: str | None = None
    """As of a scanned one, where it could be read."""
    kind: SkipKind = "unreadable"
    """*unreadable*: no model that can be read. *unsupported*: one that cannot be scanned.
    *dangerous*: one that would run code. *failed*: a scan that broke off."""
    imports: tuple[str, ...] = ()
    """The names that a *dangerous* file would import."""
    accepted: Acceptance | None = None
    """Set where somebody lists the file as accepted."""

    @property
    def reasons(self) -> tuple[Finding, ...]:
        """The reason, in the form that those of a verdict have."""
        return (Finding(self.kind, self.reason),)
