"""What a scan returns: frozen data, no behavior.

Detectors return `ClassScores`, the judge turns them into a `Verdict`, a scan of a path ends in
`Scanned` or `Skipped`. Reports read these and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from html import escape
from math import inf
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from triggerfish.codec.marks import INLINE, NOT_STORED
from triggerfish.notebook import picture_tag

Array = NDArray[np.float32]


class Status(str, Enum):
    """How the search for one class ended. Only `CONVERGED` is a measurement.

    `SCREENED` classes were left out by the first pass over very many classes.
    """

    CONVERGED = "converged"
    CAP_REACHED = "cap_reached"
    UNREACHABLE = "unreachable"
    SCREENED = "screened"


VerdictName = Literal["clean", "backdoored", "inconclusive"]
Basis = Literal["pixel", "frequency", "stamp", "l2"]
BASES: tuple[Basis, Basis] = ("pixel", "frequency")
"""In the order in which searches and evidence have them."""
IN_PROGRAM = "in the program,"
"""Begins every note on what stands in a file's program, not in its weights."""
SkipKind = Literal["unreadable", "unsupported", "dangerous", "failed"]
"""Why a file was not scanned: no model that can be read, one that cannot be scanned, one that would
run code, or a scan that broke off."""


@dataclass(frozen=True)
class Finding:
    """A reason not to trust a verdict.

    ``code`` is a stable name; ``text`` reads *expected X, got Y: fix*; ``command`` is what to run
    next, ready to paste, where there is one.
    """

    code: str
    text: str
    command: str | None = None

    def __str__(self) -> str:
        return f"{self.text} [{self.code}]"


@dataclass(frozen=True)
class Assumption:
    """Something that neither the file, nor its card, nor the user said: ``value`` is in force.

    ``name`` is the option that replaces it (``arch``, ``mean``, ...); ``because`` says on what it
    rests ("keys and shapes", "usual for 1x28x28").
    """

    name: str
    value: str
    because: str


@dataclass(frozen=True)
class Perturbation:
    """A universal perturbation: one that is added and flips pictures into ``target``.

    ``target`` None is *away from whatever they are called*. ``delta`` (C, H, W) in [-1, 1] is
    added and the sum clamped to [0, 1]. ``size`` is the L1 norm of its coefficients in ``basis``,
    in units of a pixel's whole range, or the L2 norm of its values for *l2*; ``median_size`` that
    of the median class; both NaN unless ``status`` is `CONVERGED`. ``success`` is the fraction of
    pictures never drawn in the search that it turns. ``predicted_classes`` (P,) is what the network
    calls the scores' ``pictures`` with it.
    """

    target: int | None
    basis: Basis
    delta: Tensor
    size: float
    median_size: float
    success_rate: float
    status: Status
    predicted_classes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Pairs:
    """Evidence on class pairs: row the source, column the target; NaN where not measured.

    ``score`` (K, K) float64, higher is more suspicious; ``norm`` (K, K), the smallest perturbation
    from the one to the other, in units of a pixel's whole range.
    """

    score: Tensor
    norm: Tensor

    def strongest(self, targets: Sequence[int]) -> tuple[tuple[int, int], ...]:
        """For each target its most suspicious source: pairs (source, target)."""
        score = self.score.nan_to_num(float("-inf"))
        return tuple((int(score[:, target].argmax()), target) for target in targets)


@dataclass(frozen=True)
class ClassScores:
    """One detector's answer: one statistic per class, with its evidence.

    ``statistic`` (K,) float64, NaN where the class's status is not `CONVERGED`; higher is more
    suspicious. ``images`` (M, C, H, W) in [0, 1] and their re-evaluated ``logits`` (M, K) are those
    of the M classes ``shown`` (all K when None), in that order; ``probability`` (K,) is NaN for the
    others. ``details`` are further vectors (K,) for the per-class table; ``pairs`` what a detector
    of class pairs has measured; ``restarts`` (R, K) the statistic that each of several runs of the
    search gives by itself. ``perturbations`` are universal perturbations that were found,
    ``pictures`` (P, C, H, W) some to show them on, ``predicted_classes`` (P,) what the network
    calls those as they are. ``all_classes`` is the score of an attack on every class at
    once, None where it was not looked for. ``parts`` are the scores of the detectors that these
    were made from, in the order in which they ran.
    """

    name: str
    statistic: Tensor
    status: tuple[Status, ...]
    images: Annotated[Tensor, NOT_STORED]  # as a picture for each class, beside the result
    probability: Tensor
    logits: Annotated[Tensor, NOT_STORED]
    details: Mapping[str, Tensor] = field(default_factory=dict)
    shown: tuple[int, ...] | None = None
    pairs: Pairs | None = None
    restarts: Tensor | None = None
    perturbations: tuple[Perturbation, ...] = ()
    pictures: Tensor | None = None
    all_classes: float | None = None
    parts: tuple[ClassScores, ...] = ()
    predicted_classes: tuple[int, ...] = ()

    @property
    def classes(self) -> tuple[int, ...]:
        """The classes that have an image, in the order of ``images``."""
        return tuple(range(len(self.status))) if self.shown is None else self.shown


HypothesisKind = Literal["target", "pair", "all-classes", "structure", "stamp", "blend"]
NullKind = Literal["same-recipe", "same-task", "outliers", "fixed", "same-size"]
"""What a score is compared with: clean models of one recipe, clean networks of one task, the other
classes of the model, fixed levels, perturbations of the same size towards other classes."""


PRECEDENCE: tuple[NullKind, ...] = ("same-recipe", "same-task", "outliers", "fixed")
"""Nulls, the strongest first: clean models made alike give an error rate, clean networks of the
task say what is ordinary there, the model's other classes and fixed levels only what usually is."""
CONTROL: NullKind = "same-size"
"""The null of confirmation tests: they speak for or against what another row says."""


@dataclass(frozen=True)
class Hypothesis:
    """What may be wrong with a model: one claim that evidence speaks for or against.

    Of kind *target*, any image is led to class ``target``; of kind *pair*, images of class
    ``source`` are; *all-classes*, every class is a target; *structure*, the part of its graph
    that ``place`` names holds something that a classifier does not need; *stamp*, a plain stamp
    leads any image to class ``target``; *blend*, a pattern blended into any image does.
    """

    kind: HypothesisKind = "target"
    target: int | None = None
    source: int | None = None
    place: str = ""


@dataclass(frozen=True)
class Null:
    """What a score is measured against; ``name`` and ``size`` are a reference population's."""

    kind: NullKind
    name: str = ""
    size: int = 0

    @property
    def smallest_p_value(self) -> float | None:
        """The strongest claim that ranks among a population allow; None where there are none."""
        return 1 / (self.size + 1) if self.kind == "same-recipe" else None


@dataclass(frozen=True)
class Evidence:
    """One scored hypothesis: a row that a stage appends and nobody edits.

    ``test`` names what measured it. Above ``flag_at`` the ``score`` speaks for the hypothesis,
    above ``suspect_at`` (None: no such level) it is not ordinary either; both in units of the
    score. NaN is *not measured*. ``p_value`` is the model's, where the null gives one. A row that
    is ``note_only`` is reported and decides nothing. Of ``clean_networks`` that were scored so,
    ``clean_as_high`` have a class with as high a score; None where they were not counted.
    """

    hypothesis: Hypothesis
    test: str
    score: float
    flag_at: float
    suspect_at: float | None
    null: Null
    p_value: float | None = None
    note_only: bool = False
    clean_as_high: int | None = None
    clean_networks: int | None = None

    @property
    def flags(self) -> bool:
        """Whether it speaks for its hypothesis."""
        return self.score > self.flag_at

    @property
    def is_suspicious(self) -> bool:
        """Whether it is above the level from which a score is not ordinary."""
        return self.score > (self.flag_at if self.suspect_at is None else self.suspect_at)


@dataclass(frozen=True)
class Verdict:
    """The answer for one model, as `triggerfish.verdict.conclude` folds it from ``evidence``.

    ``accused`` are the hypotheses that it holds for true. ``reasons`` are why it is inconclusive,
    or why a flag deserves doubt; ``notes`` say what it rests on. The first row of the evidence
    is one of the test that decides about classes, by the strongest null that is known.
    Everything else is read from the rows, so that it cannot disagree with them.

    Raises:
        ValueError: A name that the accusations do not bear out, or one that rests on no row.
    """

    name: VerdictName
    evidence: tuple[Evidence, ...]
    accused: tuple[Hypothesis, ...] = ()
    reasons: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.name == "backdoored") != bool(self.accused):
            raise ValueError(f"expected backdoored and only that to accuse, got {self.name}")
        if self.name == "clean" and self.reasons:
            raise ValueError("expected no reason to doubt a clean verdict, got one")
        if not set(self.accused) <= {row.hypothesis for row in self.evidence}:
            raise ValueError("expected evidence for every accusation, got one without")

    @property
    def _class_rows(self) -> tuple[Evidence, ...]:
        """Those of the deciding test, one for each class, in the order of the classes."""
        if not self.evidence:
            return ()
        first = self.evidence[0]
        return tuple(
            row
            for row in self.evidence
            if (row.test, row.null) == (first.test, first.null)
            and row.hypothesis.target is not None
        )

    @property
    def flagged(self) -> tuple[int, ...]:
        """The classes that are targets, ascending."""
        return tuple(sorted({h.target for h in self.accused if h.target is not None}))

    @property
    def sources(self) -> Mapping[int, int]:
        """Per flagged class the one whose images alone are led there, where it is so."""
        return {
            h.target: h.source
            for h in self.accused
            if h.target is not None and h.source is not None
        }

    @property
    def all_classes(self) -> bool:
        """Whether every class is a target (all-to-all); ``flagged`` may then be empty."""
        return any(h.kind == "all-classes" for h in self.accused)

    @property
    def seen_by(self) -> Mapping[int, tuple[str, ...]]:
        """Per flagged class the tests in which it is not ordinary, the deciding one first."""
        return {k: self._tests_on(k) for k in self.flagged}

    def _tests_on(self, target: int) -> tuple[str, ...]:
        rows = (row for row in self.evidence if row.hypothesis.target == target)
        return tuple(
            dict.fromkeys(
                row.test
                for row in rows
                if (row.flags if row.null.kind == "same-size" else row.is_suspicious)
            )
        )

    @property
    def anomaly_index(self) -> tuple[float, ...]:
        """The deciding test's score of every class (K,), NaN where not measured."""
        return tuple(row.score for row in self._class_rows)

    @property
    def threshold(self) -> float:
        """The level of ``anomaly_index`` above which a class is flagged; NaN for none."""
        return self.evidence[0].flag_at if self.evidence else float("nan")

    @property
    def suspicion_threshold(self) -> float | None:
        """The level from which an unflagged class is not ordinary either, where one is known."""
        return self.evidence[0].suspect_at if self.evidence else None

    @property
    def p_value(self) -> float | None:
        """The model's, None where the deciding null gives none."""
        return min(
            (row.p_value for row in self._class_rows if row.p_value is not None), default=None
        )

    @property
    def smallest_p_value(self) -> float | None:
        """The strongest claim that the reference population allows."""
        return self.evidence[0].null.smallest_p_value if self.evidence else None

    @property
    def reference(self) -> str | None:
        """The clean models of one recipe that it was calibrated on; None when uncalibrated."""
        return self._population("same-recipe")

    @property
    def same_task(self) -> str | None:
        """The task whose clean networks each class was compared with, where it is so."""
        return self._population("same-task")

    def _population(self, kind: NullKind) -> str | None:
        null = self.evidence[0].null if self.evidence else None
        return null.name if null is not None and null.kind == kind else None

    def __str__(self) -> str:
        reasons = "; ".join(map(str, self.reasons))
        return f"{self.headline}: {reasons}" if reasons else self.headline

    @property
    def headline(self) -> str:
        """The verdict in two or three words, without its reasons."""
        return f"backdoored ({self._where})" if self.name == "backdoored" else self.name

    @property
    def _where(self) -> str:
        if self.all_classes:
            return "all classes"
        if not self.flagged:
            return ", ".join(h.place for h in self.accused)
        return f"target class {', '.join(map(str, self.flagged))}"


@dataclass(frozen=True)
class ReadingResult:
    """What one of several readings of a file says. ``options`` make the file be read so.

    ``share`` in [0, 1] is how likely the reading is; ``verdict`` None where it was not scanned.
    ``agrees`` with the verdict of the file, which one of them gives.
    """

    options: str
    share: float
    verdict: VerdictName | None
    flagged: tuple[int, ...] = ()
    all_classes: bool = False
    agrees: bool = False

    def __str__(self) -> str:
        if self.verdict is None:
            return "not scanned"
        if self.verdict != "backdoored":
            return self.verdict
        where = (
            f"target class {', '.join(map(str, self.flagged))}" if self.flagged else "all classes"
        )
        return f"backdoored ({where})"


@dataclass(frozen=True)
class Fact:
    """What a model was taken for: the ``value`` of ``name``, and the ``source`` that said so."""

    name: str
    value: str
    source: str


@dataclass(frozen=True)
class Acceptance:
    """Somebody's decision to use a file in spite of what was found: why, and until which day."""

    reason: str
    until: date


@dataclass(frozen=True)
class Stamp:
    """A trigger that replaces pixels: computed from a file's program, or one of a dictionary.

    ``image`` (C, H, W) in [0, 1] is seen through ``mask`` (C, H, W), where that is 1. Of ``count``
    synthetic images of other classes the fraction ``success_rate`` goes to ``target`` with it, and
    ``control`` when the branch that looks for it is held shut, or with its negative or itself
    beside its place. ``pictures`` (P, C, H, W) are some
    of them, ``stamped`` the same with it; ``before`` and ``after`` (P,) what they are called. Where
    it has to be ``fitted`` to each image, ``image`` is one image's.
    """

    target: int
    origin: Literal["program", "dictionary"]
    image: Tensor
    mask: Tensor
    success_rate: float
    control: float
    count: int
    pictures: Tensor
    stamped: Tensor
    before: tuple[int, ...]
    after: tuple[int, ...]
    fitted: bool = False


@dataclass(frozen=True)
class Trial:
    """A perturbation that was found, tried on pictures of the user's own.

    Of ``count`` pictures that the network did not call ``target`` (None: any picture), the
    perturbation turned the fraction ``success``. ``pictures`` (P, C, H, W) are some of them;
    ``before`` and ``after`` (P,) what the network calls those.
    """

    target: int | None
    basis: Basis
    count: int
    success_rate: float
    pictures: Tensor
    before: tuple[int, ...]
    after: tuple[int, ...]


@dataclass(frozen=True)
class BasisEvidence:
    """What a confirmation test found in one basis, on held-out synthetic images.

    ``size`` is that of the perturbations found again on each family of pictures, the one in the
    middle, in the units of `Perturbation`; NaN where most searches did not get there, and then
    nothing else counts. ``success`` is the fraction of pictures that the perturbation in the middle
    turns, ``half`` with half of it, ``shifted`` with it elsewhere (the mean of several places),
    ``without_largest`` without its largest pixel. ``agreement`` in [0, 1] is how alike the
    perturbations of two families are, the best pair: the cosine of their blurred absolute values,
    over places in the pixel basis, over frequencies in the other. ``controls`` are the successes of
    the best perturbations of the same size towards other classes.
    """

    basis: Basis
    size: float
    success_rate: float
    half: float
    shifted: float
    without_largest: float
    agreement: float
    controls: tuple[float, ...]

    @property
    def control(self) -> float:
        """The second best of the ``controls``: one other class may be near all by itself.

        The best of fewer than two, 0 of none.
        """
        ordered = sorted(self.controls, reverse=True)
        return ordered[min(1, len(ordered) - 1)] if ordered else 0.0

    @property
    def lead(self) -> float:
        """By how much the perturbation outdoes the ``control``; 0 where it does not."""
        return max(0.0, self.success_rate - self.control)


Grade = Literal["confirmed", "unclear", "refuted"]


@dataclass(frozen=True)
class Confirmation:
    """A confirmation test of class ``target``; ``perturbations`` are all that it found.

    ``lead`` is by how much its perturbation outdoes other classes' of the same size, in the basis
    where it does so most; ``grade`` says it in a word (`triggerfish.levels`).
    """

    target: int
    grade: Grade
    lead: float
    evidence: tuple[BasisEvidence, ...]
    perturbations: Annotated[tuple[Perturbation, ...], NOT_STORED]
    seconds: float


@dataclass(frozen=True)
class Scanned:
    """A model that was scanned. ``config`` is the scan's configuration as plain data.

    ``assumptions`` are what the verdict rests on and nobody said; ``facts`` what somebody or
    something said. ``class_names`` are in the order of the classes, empty when not known.
    ``command`` repeats the scan. ``accepted`` is set where somebody lists the file as accepted:
    it is then never called clean. ``trials`` are the perturbations on the user's own pictures,
    ``confirmations`` the confirmation tests, ``stamps`` the triggers computed from its program.
    ``readings`` is what each of several readings of the
    file says. ``part`` names the network or output of the file that this is about, empty where it
    has one; the results for the other parts, none of them worse, are in ``others``.
    """

    path: Path | None
    sha256: str | None
    detector: str
    scores: ClassScores
    verdict: Annotated[Verdict, INLINE]
    config: Mapping[str, object]
    seconds: float
    environment: Mapping[str, str] = field(default_factory=dict)
    assumptions: tuple[Assumption, ...] = ()
    facts: tuple[Fact, ...] = ()
    class_names: tuple[str, ...] = ()
    command: str = ""
    accepted: Acceptance | None = None
    trials: tuple[Trial, ...] = ()
    confirmations: tuple[Confirmation, ...] = ()
    stamps: tuple[Stamp, ...] = ()
    readings: tuple[ReadingResult, ...] = ()
    part: str = ""
    others: tuple[Scanned, ...] = ()

    def __repr__(self) -> str:
        """One short line: the file, the verdict, how long it took."""
        name = "a model in memory" if self.path is None else str(self.path)
        return f"<Scanned {name}: {self.verdict.headline}, {self.detector}, {self.seconds:.1f} s>"

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
    """A path that was not scanned, and why. Never to be counted as clean.

    ``imports`` are the names that a *dangerous* file would import; ``accepted`` as in `Scanned`.
    """

    path: Path
    reason: str
    sha256: str | None = None
    kind: SkipKind = "unreadable"
    imports: tuple[str, ...] = ()
    accepted: Acceptance | None = None

    @property
    def reasons(self) -> tuple[Finding, ...]:
        """The reason, in the form that those of a verdict have."""
        return (Finding(self.kind, self.reason),)
