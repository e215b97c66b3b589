"""Finds backdoors in image classifiers from the model alone: no clean data, no network.

>>> import triggerfish as tf
>>> result = tf.scan("model.pt")  # doctest: +SKIP
>>> print(result.verdict)  # doctest: +SKIP
backdoored (target class 7)
"""

import importlib
from typing import TYPE_CHECKING

from triggerfish._version import __version__

if TYPE_CHECKING:
    from triggerfish.api import scan, scan_files
    from triggerfish.confirmation import ConfirmConfig, confirm
    from triggerfish.detectors import (
        MMBD,
        Detector,
        Ensemble,
        L1Weight,
        LastLayer,
        MinNorm,
        PairwiseNorm,
        Universal,
        UniversalPairs,
    )
    from triggerfish.errors import (
        CheckpointError,
        DatasetError,
        OutputError,
        TriggerfishError,
        UnsupportedModelError,
    )
    from triggerfish.loading import Hints, LoadOptions, load_classifier
    from triggerfish.model.classifier import Classifier, Preprocessing
    from triggerfish.references.population import Reference
    from triggerfish.references.store import read_reference
    from triggerfish.repairs import ChannelPruning, Repaired, Unlearning, repair
    from triggerfish.results import (
        Assumption,
        ClassScores,
        Confirmation,
        Fact,
        Finding,
        Perturbation,
        Scanned,
        Skipped,
        Status,
        Verdict,
    )
    from triggerfish.runs.on_ray import Cluster
    from triggerfish.scanning import ScanConfig
    from triggerfish.verdict.judge import Judge

_HOME = {
    "triggerfish.api": "scan scan_files",
    "triggerfish.confirmation": "ConfirmConfig confirm",
    "triggerfish.detectors": (
        "MMBD Detector Ensemble L1Weight LastLayer MinNorm PairwiseNorm Universal UniversalPairs"
    ),
    "triggerfish.errors": (
        "CheckpointError DatasetError OutputError TriggerfishError UnsupportedModelError"
    ),
    "triggerfish.loading": "Hints LoadOptions load_classifier",
    "triggerfish.model.classifier": "Classifier Preprocessing",
    "triggerfish.repairs": "ChannelPruning Repaired Unlearning repair",
    "triggerfish.results": (
        "Assumption ClassScores Confirmation Fact Finding Perturbation Scanned Skipped Status "
        "Verdict"
    ),
    "triggerfish.runs.on_ray": "Cluster",
    "triggerfish.scanning": "ScanConfig",
    "triggerfish.verdict.judge": "Judge",
    "triggerfish.references.population": "Reference",
    "triggerfish.references.store": "read_reference",
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names.split()}

__all__ = [
    "MMBD",
    "Assumption",
    "ChannelPruning",
    "CheckpointError",
    "ClassScores",
    "Classifier",
    "Cluster",
    "ConfirmConfig",
    "Confirmation",
    "DatasetError",
    "Detector",
    "Ensemble",
    "Fact",
    "Finding",
    "Hints",
    "Judge",
    "L1Weight",
    "LastLayer",
    "LoadOptions",
    "MinNorm",
    "OutputError",
    "PairwiseNorm",
    "Perturbation",
    "Preprocessing",
    "Reference",
    "Repaired",
    "ScanConfig",
    "Scanned",
    "Skipped",
    "Status",
    "TriggerfishError",
    "Universal",
    "UniversalPairs",
    "Unlearning",
    "UnsupportedModelError",
    "Verdict",
    "__version__",
    "confirm",
    "load_classifier",
    "read_reference",
    "repair",
    "scan",
    "scan_files",
]


def __getattr__(name: str) -> object:
    """Import a public name on first use: PyTorch takes seconds, ``triggerfish --help`` does not."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(_MODULE_OF[name]), name)
    globals()[name] = found  # the next use finds it without asking here
    return found


def __dir__() -> list[str]:
    """What is public, for completion."""
    return __all__
