"""The protocol that every detector follows, and how its settings are declared."""

from __future__ import annotations

import math
from dataclasses import Field, asdict, field
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

from torch import Tensor

from triggerfish.model.classifier import Classifier
from triggerfish.results import ClassScores
from triggerfish.statistics.outliers import OutlierTest

T = TypeVar("T")


@runtime_checkable
class Detector(Protocol):
    """A statistic per class: a frozen dataclass of settings that is called on a `Classifier`.

    ``name`` is what the command line calls it, ``summary`` its line in the help. ``outlier_test``
    judges its scores where no reference matches; `Largest` where they have levels of their own
    (`triggerfish.levels`). ``EFFORT`` names the settings that decide how exact a score is, not what
    it means. ``may_be_unreachable`` is the fraction of classes that may be out of reach without a
    doubt about the others.
    """

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    name: ClassVar[str]
    summary: ClassVar[str]
    outlier_test: ClassVar[OutlierTest]
    EFFORT: ClassVar[frozenset[str]] = frozenset()
    may_be_unreachable: ClassVar[float] = 0.0

    @property
    def parts(self) -> tuple[Detector, ...]:
        """The detectors that this one runs, in the order of `ClassScores.parts`. Default: none."""
        return ()

    @property
    def scored_by(self) -> str:
        """The test whose name its evidence has. Default: this one; else the part that scores."""
        return self.name

    def __call__(self, classifier: Classifier, seed: int = 0) -> ClassScores:
        """One statistic per class, with its evidence; ``seed`` decides what is random."""
        ...

    def compared(self, scores: ClassScores) -> Tensor:
        """What of its scores is compared with clean networks of a task. Default: the statistic."""
        return scores.statistic


def setting(default: T, help: str, unit: str = "") -> T:  # noqa: A002 - click's own word
    """A field of a detector that users may set; the command line makes an option of it.

    ``help`` is one line without a full stop, ``unit`` what the number counts;
    a pixel range is what a pixel can change at most.
    """
    value: T = field(default=default, metadata={"help": help, "unit": unit})
    return value


def check_search(target_log_odds: float, memory_mib: float) -> None:
    """Raise `ValueError` for settings that no search can run with."""
    if not math.isfinite(target_log_odds):
        raise ValueError(f"expected finite target_log_odds, got {target_log_odds}")
    if not memory_mib > 0:
        raise ValueError(f"expected a memory budget > 0 MiB, got {memory_mib}")


def settings_of(detector: Detector) -> dict[str, object]:
    """A detector's settings as plain data, for results and references."""
    return asdict(detector)
