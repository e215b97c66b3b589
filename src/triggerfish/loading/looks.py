"""Whether a file under any name looks like a model: by its content, so that none is passed over."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path, PurePosixPath

from triggerfish.errors import CheckpointError
from triggerfish.loading.foreign import looks_foreign
from triggerfish.loading.guards.beginnings import read_head
from triggerfish.loading.guards.protobuf import outline
from triggerfish.loading.guards.pytorch_archive import entry_names

_HEAD = 64 << 10
_HDF5 = b"\x89HDF\r\n\x1a\n"
_KERAS = (b"model_config", b"keras_version", b"layer_names", b"model_weights", b"_layer_checkpoint")
# Entries of the archives of torch.save, torch.jit.save, torch.export and Keras.
_ENTRIES = frozenset({"data.pkl", "constants.pkl", "model.weights.h5", "model.json"})
_TFLITE = b"TFL3"
_TFJS = re.compile(rb'\s*\{.*"(modelTopology|weightsManifest)"', re.DOTALL)
_PICKLE = re.compile(rb"\x80[\x02-\x05]")
_IN_PICKLES = re.compile(rb"\btorch\b|\bnumpy\b.{0,400}(weight|bias|kernel)", re.DOTALL)
_OLD_TORCH = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."


def looks_like_model(path: Path) -> bool:
    """Whether a file is a model of a kind that is read, or of another framework.

    Pictures, tables, texts and arrays of data are none. Raises nothing; what cannot be read is
    none here, unless its name says otherwise.
    """
    try:
        head = read_head(path, _HEAD)
    except CheckpointError:
        return False
    return _ours(path, head) or looks_foreign(path)


def _ours(path: Path, head: bytes) -> bool:
    if head.startswith(b"PK\x03\x04"):
        return _is_archive_of_one(path, head)
    if head.startswith(_HDF5):
        return any(mark in head for mark in _KERAS)
    if _PICKLE.match(head):
        return _OLD_TORCH in head[:16] or bool(_IN_PICKLES.search(head))
    if head[4:8] == _TFLITE or _TFJS.match(head):
        return True
    if head[8:9] == b"{":
        return int.from_bytes(head[:8], "little") < 100 << 20 and b'"data_offsets"' in head
    return _is_onnx(head)


def _is_archive_of_one(path: Path, head: bytes) -> bool:
    try:
        names = entry_names(path, head)
    except zipfile.BadZipFile:
        return False
    return any(PurePosixPath(name).name in _ENTRIES for name in names)


def _is_onnx(head: bytes) -> bool:
    """ModelProto: the version of its format (1), then texts (2 to 6) and the graph (7)."""
    if not head.startswith(b"\x08") or not 1 <= head[1] <= 30:
        return False
    numbers = [field.number for field in outline(head)]
    return 7 in numbers and numbers[0] == 1 and set(numbers) <= {*range(1, 9), 14, 20, 25, 26}
