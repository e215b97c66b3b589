"""The table of formats. Order matters: the first that recognises a file reads it."""

from __future__ import annotations

from pathlib import Path

from triggerfish.errors import CheckpointError, UnsupportedModelError
from triggerfish.loading.contents import Format
from triggerfish.loading.foreign import foreign
from triggerfish.loading.formats import (
    checkpoint,
    container,
    exported,
    huggingface,
    keras,
    keras_archive,
    numpy_pickle,
    onnx,
    safetensors,
    tfjs,
    tflite,
    torchscript,
)
from triggerfish.loading.guards.files import read_head, refuse_pointers_and_text

FORMATS: tuple[Format, ...] = (
    huggingface.FORMAT,
    safetensors.FORMAT,
    exported.FORMAT,
    torchscript.FORMAT,
    tflite.FORMAT,
    tfjs.FORMAT,
    onnx.FORMAT,
    keras.FORMAT,
    keras_archive.FORMAT,
    container.FORMAT,
    numpy_pickle.FORMAT,
    checkpoint.FORMAT,
)


_PICKLE = b"\x80"


def recognise(path: Path) -> tuple[Format, bytes]:
    """The format of a file (or model folder), and its first bytes.

    Raises `CheckpointError`, and `UnsupportedModelError` for a model of another framework.
    """
    head = b"" if path.is_dir() else read_head(path)
    other = foreign(path, head)
    # What a pickle would run is said before what it is.
    if other and head and not head.startswith(_PICKLE):
        raise UnsupportedModelError(other.problem(path))
    for candidate in FORMATS:
        if candidate.matches(path, head):
            candidate.check(path)
            return candidate, head
    if other:
        raise UnsupportedModelError(other.problem(path))
    if not head:
        read_head(path)  # names what the path is instead
    refuse_pointers_and_text(path, head)
    names = ", ".join(item.name for item in FORMATS if item is not container.FORMAT)
    raise CheckpointError(
        f"expected a model file ({names}), got an unknown kind that begins with {head[:8]!r}"
    )
