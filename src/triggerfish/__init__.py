"""Finds backdoors in image classifiers from the model alone: no clean data, no network.

>>> from triggerfish import load_classifier, scan  # doctest: +SKIP
>>> result = scan(load_classifier("model.pt"))  # doctest: +SKIP
>>> print(result.verdict)  # doctest: +SKIP
"""

import importlib
from typing import TYPE_CHECKING

from triggerfish._version import __version__

if TYPE_CHECKING:
    from triggerfish.loading import load_classifier
    from triggerfish.results import Verdict
    from triggerfish.scanning import ScanConfig, scan

__all__ = ["ScanConfig", "Verdict", "__version__", "load_classifier", "scan"]

_HOME = {
    "ScanConfig": "triggerfish.scanning",
    "Verdict": "triggerfish.results",
    "load_classifier": "triggerfish.loading",
    "scan": "triggerfish.scanning",
}


def __getattr__(name: str) -> object:
    """Import a public name on first use: PyTorch takes seconds, ``triggerfish --help`` does not."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)
