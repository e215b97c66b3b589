"""Rows of evidence: a claim about a model, and a score for it beside a null."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

HypothesisKind = Literal["target", "pair", "all-classes", "structure", "stamp"]
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
    classifier does not need. *stamp*: a plain stamp leads any image to class ``target``."""
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
    """One scored hypothesis: a row that a stage appends and nobody edits."""

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
