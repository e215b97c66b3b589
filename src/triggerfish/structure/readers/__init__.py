"""A program file -> its `Graph`, one format per module. Nothing of the file is run here."""

from __future__ import annotations

from pathlib import Path

from triggerfish.errors import UnsupportedModelError
from triggerfish.loading.format import recognise
from triggerfish.structure.graph import Graph
from triggerfish.structure.readers.exported import read_exported
from triggerfish.structure.readers.keras import read_keras
from triggerfish.structure.readers.onnx import read_onnx
from triggerfish.structure.readers.torchscript import read_torchscript

READERS = {
    "ONNX model": read_onnx,
    "torch.export program": read_exported,
    "TorchScript program": read_torchscript,
    "Keras archive": read_keras,
    "Keras HDF5 model": read_keras,
}


def carries_program(path: Path) -> bool:
    """Whether a file's format carries a program whose structure can be read."""
    return recognise(path)[0].name in READERS


def read_graph(path: Path) -> Graph:
    """The graph of a program file.

    Raises `UnsupportedModelError` for a format without a program, and what the format's reader
    raises: `CheckpointError` for damaged files, `DangerousFileError` for those that reach beyond
    tensors.
    """
    kind, _ = recognise(path)
    reader = READERS.get(kind.name)
    if reader is None:
        raise UnsupportedModelError(
            f"expected a file that carries a program, got a {kind.name}: there is no graph to read"
        )
    return reader(path)
