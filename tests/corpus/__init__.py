"""Hostile model files: each must be refused in one line, in seconds, without running anything.

``python -m corpus FOLDER`` (from tests/) writes them. ``CANARY`` is the file that every payload
would create.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from corpus import (
    archives,
    cards,
    damaged,
    keras,
    keras_archives,
    numpy_pickles,
    objects,
    onnx_models,
    pickles,
    programs,
    special,
    tensors,
)

Maker = Callable[[Path, str], Iterator[Path]]

MAKERS: tuple[Maker, ...] = (
    pickles.make,
    archives.make,
    tensors.make,
    damaged.make,
    special.make,
    programs.make,
    onnx_models.make,
    keras.make,
    keras_archives.make,
    numpy_pickles.make,
    objects.make,
    cards.make,
)


def write_corpus(folder: Path, canary: Path) -> list[Path]:
    """Write all files below ``folder``; payloads would create ``canary``."""
    paths = []
    for maker in MAKERS:
        place = folder / maker.__module__.rpartition(".")[2]
        place.mkdir(parents=True)
        paths += list(maker(place, str(canary)))
    return paths
