"""Finds backdoors in image classifiers from the model alone: no clean data, no network.

>>> from triggerfish import load_classifier, scan  # doctest: +SKIP
>>> result = scan(load_classifier("model.pt"))  # doctest: +SKIP
>>> print(result.verdict)  # doctest: +SKIP
"""

from triggerfish._version import __version__
from triggerfish.loading import load_classifier
from triggerfish.results import Verdict
from triggerfish.scan import ScanConfig, scan

__all__ = ["ScanConfig", "Verdict", "__version__", "load_classifier", "scan"]
