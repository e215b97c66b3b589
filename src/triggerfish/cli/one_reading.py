"""Opening a model for commands that need to know for certain how it is read."""

from __future__ import annotations

from pathlib import Path

from triggerfish.errors import UnsupportedModelError
from triggerfish.loading import LoadOptions, open_readings
from triggerfish.model.classifier import Classifier


def open_one(path: Path, options: LoadOptions) -> Classifier:
    """The classifier in a file that can be read in one way only.

    Raises `UnsupportedModelError` where there are several: weights that are changed for inputs
    that the network never gets are spoiled.
    """
    readings = open_readings(path, options)
    if len(readings) > 1:
        shown = ", or ".join(reading.options for reading in readings)
        raise UnsupportedModelError(
            f"{path} can be read in {len(readings)} ways: say which is true, {shown}"
        )
    return readings[0].classifier
