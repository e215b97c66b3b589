"""What a scan returns: frozen data, hardly any behavior.

Detectors return `ClassScores`, the judge turns them into `Evidence`, which is folded into a
`Verdict`; a scan of a path ends in `Scanned` or `Skipped`. Reports read these and nothing else.
The text under a field is its description in the JSON Schema too.
"""

from triggerfish.results.class_scores import (
    BASES,
    BaselineNorms,
    Basis,
    ClassScores,
    ClassSizes,
    Pairs,
    Perturbation,
    Status,
)
from triggerfish.results.model_facts import CARRIED, Acceptance, Assumption, Fact, ReadingResult
from triggerfish.results.result import Scanned, SkipKind, Skipped
from triggerfish.results.tried_triggers import BasisEvidence, Confirmation, Grade, Stamp, Trial
from triggerfish.results.verdict import (
    CONTROL,
    IN_PROGRAM,
    ON_OWN,
    PRECEDENCE,
    Evidence,
    Finding,
    Hypothesis,
    HypothesisKind,
    Null,
    NullKind,
    Verdict,
    VerdictName,
)

__all__ = [
    "BASES",
    "CARRIED",
    "CONTROL",
    "IN_PROGRAM",
    "ON_OWN",
    "PRECEDENCE",
    "Acceptance",
    "Assumption",
    "BaselineNorms",
    "Basis",
    "BasisEvidence",
    "ClassScores",
    "ClassSizes",
    "Confirmation",
    "Evidence",
    "Fact",
    "Finding",
    "Grade",
    "Hypothesis",
    "HypothesisKind",
    "Null",
    "NullKind",
    "Pairs",
    "Perturbation",
    "ReadingResult",
    "Scanned",
    "SkipKind",
    "Skipped",
    "Stamp",
    "Status",
    "Trial",
    "Verdict",
    "VerdictName",
]
