"""Finds backdoors in image classifiers from the model alone: no clean data, no network.

>>> from triggerfish import load_classifier, scan  # doctest: +SKIP
>>> result = scan(load_classifier("model.pt"))  # doctest: +SKIP
>>> print(result.verdict)  # doctest: +SKIP
"""

import importlib
import sys
import types
from typing import TYPE_CHECKING

from triggerfish._version import __version__

if TYPE_CHECKING:
    from triggerfish.loading import load_classifier  # noqa: TC004
    from triggerfish.results import Verdict  # noqa: TC004
    from triggerfish.scan import ScanConfig, scan  # noqa: TC004

__all__ = ["ScanConfig", "Verdict", "__version__", "load_classifier", "scan"]

_HOME = {
    "ScanConfig": "triggerfish.scan",
    "Verdict": "triggerfish.results",
    "load_classifier": "triggerfish.loading",
    "scan": "triggerfish.scan",
}


class _Package(types.ModuleType):
    """Imports the public names on first use: PyTorch takes seconds, ``triggerfish --help`` not."""

    def __getattr__(self, name: str) -> object:
        if name not in _HOME:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module(_HOME[name]), name)

    def __setattr__(self, name: str, value: object) -> None:
        # Importing the module triggerfish.scan must not hide the function of that name.
        if name not in _HOME or not isinstance(value, types.ModuleType):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
