"""The formats, and what a file is known by: a folder, the entries of an archive, the first bytes.

In each table the order matters: the first that recognises a file reads it.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from triggerfish.errors import CheckpointError, UnsupportedModelError
from triggerfish.loading.contents import Contents
from triggerfish.loading.discovery import is_huggingface_folder
from triggerfish.loading.foreign import foreign
from triggerfish.loading.formats import (
    checkpoint,
    container,
    exported,
    huggingface,
    keras,
    keras_archive,
    onnx,
    safetensors,
    tfjs,
    tflite,
    torchscript,
)
from triggerfish.loading.guards.beginnings import read_head, refuse_pointers_and_text
from triggerfish.loading.guards.hdf5 import MAGIC as HDF5_MAGIC
from triggerfish.loading.guards.pickle_scan import scan_pickle
from triggerfish.loading.guards.pytorch_archive import entry_names
from triggerfish.loading.guards.tfjs_weights import is_tfjs
from triggerfish.loading.guards.torch_file import LEGACY_MAGIC, ZIP_MAGIC
from triggerfish.loading.hints import LoadOptions


@dataclass(frozen=True)
class Seen:
    """What is seen of a file without reading it: first bytes, and the entries of an archive."""

    path: Path
    head: bytes
    names: Sequence[str] = ()


@dataclass(frozen=True)
class Format:
    """A file format: ``matches`` recognises it, ``read`` reads it.

    ``matches`` must not raise on damaged files of its own format, and must not run anything;
    ``read`` raises `CheckpointError` or `UnsupportedModelError`, nothing else. A
    ``program`` is first run in a child process with little memory and time, after it was read
    here; before, where the reader is ``fragile``: a C library that a damaged file can make hang.
    ``check`` raises, before that, for what needs no such library to be seen.
    """

    name: str
    read: Callable[[Path, bytes, LoadOptions], Contents]
    matches: Callable[[Seen], bool]
    program: bool = False
    fragile: bool = False
    check: Callable[[Path], None] = lambda _: None


def recognise(path: Path) -> tuple[Format, bytes]:
    """The format of a file (or model folder), and its first bytes.

    Raises `CheckpointError`, and `UnsupportedModelError` for a model of another framework.
    """
    head = b"" if path.is_dir() else read_head(path)
    archive = head.startswith(_ZIP)
    # What a pickle or an archive would run is said before what it is.
    if head and not archive and not head.startswith(_PICKLE):
        _refuse_foreign(path, head)
    seen = Seen(path, head, entry_names(path, head))
    table = ARCHIVES if archive else FILES if head else FOLDERS
    for candidate in table:
        if candidate.matches(seen):
            candidate.check(path)
            return candidate, head
    _refuse_foreign(path, head)
    if not head:
        read_head(path)  # names what the path is instead
    refuse_pointers_and_text(path, head)
    known = dict.fromkeys(item.name for item in (*FOLDERS, *FILES, *ARCHIVES))
    names = ", ".join(name for name in known if name != container.NAME)
    raise CheckpointError(
        f"no known kind of file begins with the bytes {head[:8].hex(' ')}: "
        f"give a model file ({names})"
    )


def _refuse_foreign(path: Path, head: bytes) -> None:
    if other := foreign(path, head):
        raise UnsupportedModelError(other.problem(path))


def begins_as_onnx(head: bytes) -> bool:
    """Whether the fields of a ``ModelProto`` come first: version, short texts, then the graph.

    Core ML's models and TensorFlow's SavedModel begin with a version and a field 2, too: there it
    is a message, which is no printable text.
    """
    if len(head) <= 8 or head[:1] != _IR_VERSION or not b"\0" < head[1:2] < b"\x20":
        return False
    place = 2
    while place + 1 < len(head):
        tag, length = head[place], head[place + 1]
        if tag in _GRAPH_OR_OPSET:
            return True
        if tag == _MODEL_VERSION:
            place += 2
            while place <= len(head) and head[place - 1] >= _MORE:
                place += 1
            continue
        text = head[place + 2 : place + 2 + length]
        if tag not in _TEXTS or length >= _MORE or not text.isascii():
            return False
        if not text.decode("ascii").isprintable():
            return False
        place += 2 + length
    return False


def _begins_as_safetensors(head: bytes) -> bool:
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 100 << 20


def _is_plain_pickle(head: bytes) -> bool:
    if head.startswith(_PICKLE):
        return not head.startswith(LEGACY_MAGIC)
    return head[0] in _OLD_PICKLES and bool(scan_pickle(io.BytesIO(head)).names)


_ZIP, _PICKLE = b"PK", b"\x80"
_OLD_PICKLES = b"c(}]di"  # how protocols 0 and 1 begin
# Tags of a ModelProto's fields, and the bit by which a number goes on in the next byte.
_IR_VERSION, _TEXTS, _MODEL_VERSION, _GRAPH_OR_OPSET = (
    b"\x08",
    b"\x12\x1a\x22\x32",
    0x28,
    b"\x3a\x42",
)
_MORE = 0x80

FOLDERS = (
    Format(huggingface.NAME, huggingface.read, lambda seen: is_huggingface_folder(seen.path)),
)
FILES = (
    Format(
        safetensors.NAME,
        safetensors.read,
        lambda seen: seen.path.suffix == ".safetensors" or _begins_as_safetensors(seen.head),
    ),
    Format(
        tflite.NAME,
        tflite.read,
        lambda seen: seen.head[tflite.MAGIC_AT :].startswith(tflite.MAGIC),
        program=True,
    ),
    Format(tfjs.NAME, tfjs.read, lambda seen: is_tfjs(seen.head), program=True),
    Format(
        onnx.NAME,
        onnx.read,
        lambda seen: seen.path.suffix == ".onnx" or begins_as_onnx(seen.head),
        program=True,
    ),
    # A fuzzed file kept the HDF5 library busy for minutes over one attribute.
    Format(
        keras.NAME,
        keras.read,
        lambda seen: seen.head.startswith(HDF5_MAGIC),
        program=True,
        fragile=True,
    ),
    Format(container.NAME, container.read, lambda seen: container.is_tar(seen.head)),
    Format(checkpoint.PLAIN, checkpoint.read_plain, lambda seen: _is_plain_pickle(seen.head)),
    Format(checkpoint.NAME, checkpoint.read, lambda seen: seen.head.startswith(_PICKLE)),
)
ARCHIVES = (
    Format(
        exported.NAME,
        exported.read,
        lambda seen: any(n.endswith((exported.PROGRAM, exported.OLD_PROGRAM)) for n in seen.names),
        program=True,
    ),
    Format(
        torchscript.NAME,
        torchscript.read,
        lambda seen: (
            any("/code/" in name for name in seen.names)
            and any(name.endswith("constants.pkl") for name in seen.names)
        ),
        program=True,
    ),
    Format(
        keras_archive.NAME,
        keras_archive.read,
        lambda seen: (
            keras_archive.CONFIG in seen.names
            and bool({keras_archive.WEIGHTS, "metadata.json"} & set(seen.names))
        ),
        program=True,
        fragile=True,
        check=keras_archive.check,
    ),
    Format(
        container.NAME,
        container.read,
        # PyTorch's own archives hold pickles, too.
        lambda seen: (
            all(PurePosixPath(name).name != "data.pkl" for name in seen.names)
            and bool(container.models_in(seen.names))
        ),
    ),
    Format(checkpoint.NAME, checkpoint.read, lambda seen: seen.head.startswith(ZIP_MAGIC)),
)
