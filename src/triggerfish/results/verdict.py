"""Rows of evidence, and the verdict that is folded from them and read from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

VerdictName = Literal["clean", "backdoored", "inconclusive"]
ON_OWN = "on your own images:"
"""How notes begin that say what a trial on a user's images came to."""
IN_PROGRAM = "in the program,"
"""Begins every note on what stands in a file's program, not in its weights."""

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
    """What may be wrong with a model: one claim that evidence speaks for or against."""

    kind: HypothesisKind = "target"
    """*target*: any image is led to class ``target``. *pair*: images of class ``source`` are.
    *all-classes*: every class is a target. *structure*: a part of its graph holds something that a
    classifier does not need. *stamp*: a plain stamp leads any image to class ``target``. *blend*:
    a faint pattern all over the image does."""
    target: int | None = None
    """The class that images are led to, where the claim names one."""
    source: int | None = None
    """The class whose images are led, of a pair."""
    place: str = ""
    """Name of a node in the graph, of a structure."""


@dataclass(frozen=True)
class Null:
    """What a score is measured against."""

    kind: NullKind
    """*same-recipe*: clean models of one recipe. *same-task*: clean networks of one task.
    *outliers*: the model's other classes. *fixed*: levels that are the same for every model.
    *same-size*: perturbations of the same size towards other classes."""
    name: str = ""
    """The reference population's name."""
    size: int = 0
    """How many models it has."""

    @property
    def smallest_p_value(self) -> float | None:
        """The strongest claim that ranks among a population allow; None where there are none."""
        return 1 / (self.size + 1) if self.kind == "same-recipe" else None


@dataclass(frozen=True)
class Evidence:
    """One scored hypothesis: a row that a stage appends; it is never edited."""

    hypothesis: Hypothesis
    """The claim."""
    test: str
    """Name of what measured it."""
    score: float
    """Higher speaks more for the claim; NaN is *not measured*."""
    flag_at: float
    """Above this the score speaks for the claim; in units of the score."""
    suspect_at: float | None
    """Above this it is not ordinary either; None where there is no such level."""
    null: Null
    """What the score is compared with."""
    p_value: float | None = None
    """The model's, where the null gives one."""
    note_only: bool = False
    """Whether the row is reported and decides nothing."""
    clean_as_high: int | None = None
    """Of ``clean_networks``, how many have a class with as high a score; None where not counted."""
    clean_networks: int | None = None
    """How many clean networks were scored by the same test."""

    @property
    def flags(self) -> bool:
        """Whether it speaks for its hypothesis."""
        return self.score > self.flag_at

    @property
    def is_suspicious(self) -> bool:
        """Whether it is above the level from which a score is not ordinary."""
        return self.score > (self.flag_at if self.suspect_at is None else self.suspect_at)


@dataclass(frozen=True)
class Finding:
    """A reason not to trust a verdict."""

    code: str
    """A stable name, such as *few-classes*."""
    text: str
    """A sentence that reads *expected X, got Y: fix*."""
    command: str | None = None
    """What to run next, ready to paste, where there is one."""

    def __str__(self) -> str:
        return f"{self.text} [{self.code}]"


@dataclass(frozen=True)
class Verdict:
    """The answer for one model, as `triggerfish.verdict.conclude` folds it from ``evidence``.

    Everything else is read from the rows, so that it cannot disagree with them.

    Raises:
        ValueError: A name that the accusations do not bear out, or one that rests on no row.
    """

    name: VerdictName
    """The answer."""
    evidence: tuple[Evidence, ...]
    """All rows. The first is one of the test that decides about classes, by the strongest null that
    is known."""
    accused: tuple[Hypothesis, ...] = ()
    """The claims that are held for true."""
    reasons: tuple[Finding, ...] = ()
    """Why it is inconclusive, or why a flag deserves doubt."""
    notes: tuple[str, ...] = ()
    """What it rests on."""

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
