"""Models of other frameworks that are not read: known by their content, named, with a way out.

A table. What stands in it is a model, so a folder in which it lies is not clean until it was
scanned. Nothing here is run or unpacked.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from triggerfish.errors import CheckpointError
from triggerfish.loading.guards.beginnings import read_head
from triggerfish.loading.guards.protobuf import file_outline, outline
from triggerfish.loading.guards.tfjs_weights import is_tfjs, read_json, shard_names

_ENDINGS = """
    .tflite .pdmodel .pdiparams .pdparams .mlmodel .mlpackage .gguf .engine .plan .trt .caffemodel
    .msgpack .rknn .mnn .om .hef .dlc .kmodel .pte .joblib .armnn
"""
ENDINGS = frozenset(_ENDINGS.split())
"""Of files that are models by their name, when their content is no known one's."""
_TFLITE = b"TFL3"
ORIGINAL = "scan the model that it was made from, as PyTorch, Keras or ONNX"


@dataclass(frozen=True)
class Foreign:
    """A kind of model: its ``name``, and the ``advice`` that leads to a file that can be scanned.

    ``matches`` takes the path and its first bytes (none of a folder), and raises nothing.
    """

    name: str
    advice: str
    matches: Callable[[Path, bytes], bool]

    def problem(self, path: Path) -> str:
        """What to tell somebody who wants it scanned."""
        return f"expected a model that can be read, got {self.name} at {path}: {self.advice}"


def foreign(path: Path, head: bytes | None = None) -> Foreign | None:
    """The kind of a file or folder that is a model of another framework, None where it is none.

    ``head`` is the file's first bytes, where they are at hand. Raises nothing.
    """
    if head is None:
        try:
            head = b"" if path.is_dir() else read_head(path)
        except CheckpointError:
            return None
    return next((kind for kind in FOREIGN if kind.matches(path, head)), None)


def looks_foreign(path: Path) -> bool:
    """Whether a file or folder is a model of another framework, by its content or its name.

    Raises nothing.
    """
    try:
        head = b"" if path.is_dir() else read_head(path)
    except CheckpointError:
        head = b""
    known = head[4:8] == _TFLITE or is_tfjs(head)  # which are read, under any name
    return known or path.suffix.lower() in ENDINGS or foreign(path, head) is not None


def parts_of_models(folder: Path) -> frozenset[Path]:
    """Files in a folder that are the raw numbers of a TensorFlow.js model there, and no models.

    What looks like a model itself is never left out: a manifest may name anything.
    """
    found: set[Path] = set()
    for path in folder.glob("*.json"):
        try:
            if not path.is_file() or not is_tfjs(read_head(path)):
                continue
            data = read_json(path)
        except CheckpointError:
            continue
        manifest = data.get("weightsManifest") if isinstance(data, dict) else data
        shards = (folder / name for name in shard_names(manifest) if "/" not in name)
        found |= {p for p in shards if p.suffix in ("", ".bin") and not looks_foreign(p)}
    return frozenset(found)


def _at(place: int, *magics: bytes) -> Callable[[Path, bytes], bool]:
    """By bytes at a place."""
    return lambda _path, head: any(head[place : place + len(m)] == m for m in magics)


def _text(pattern: str) -> Callable[[Path, bytes], bool]:
    """By a regular expression on the first bytes, from the first that is no white space on."""
    compiled = re.compile(pattern.encode(), re.DOTALL)
    return lambda _path, head: bool(compiled.match(head.removeprefix(b"\xef\xbb\xbf").lstrip()))


def _beside(*endings: str) -> Callable[[Path, bytes], bool]:
    """By files of these names in a folder; ``*`` stands for anything."""

    def matches(path: Path, _head: bytes) -> bool:
        try:
            return path.is_dir() and all(any(path.glob(ending)) for ending in endings)
        except OSError:
            return False

    return matches


def _core_ml(path: Path, head: bytes) -> bool:
    """Model.proto: 1 the version, 2 a description, and one kind of model from 200 on."""
    fields = file_outline(path) if head.startswith(b"\x08") else ()
    parts = {field.number for field in fields if field.value is None}
    return bool(fields) and fields[0].number == 1 and 2 in parts and max(parts) >= 200


def _saved_model(path: Path, head: bytes) -> bool:
    """saved_model.proto: 1 the version, then graphs (2) that begin with what they are (1)."""
    if not head.startswith(b"\x08\x01\x12"):
        return False
    fields = file_outline(path)
    if {f.number for f in fields} != {1, 2}:
        return False
    inner = outline(fields[1].data)
    return bool(inner) and inner[0].number == 1 and inner[0].value is None


def _frozen_graph(_path: Path, head: bytes) -> bool:
    """graph.proto: nodes (1), each with its name (1) and its operator (2)."""
    fields = outline(head)
    if not fields or fields[0].number != 1:
        return False
    node = outline(fields[0].data)
    names = [f.data for f in node[:2] if f.value is None]
    return [f.number for f in node[:2]] == [1, 2] and all(
        re.fullmatch(rb"[A-Za-z_][\w./-]*", name) for name in names
    )


def _caffe(path: Path, head: bytes) -> bool:
    """NetParameter: its name (1), then layers (100, or 2 in the first version)."""
    fields = file_outline(path) if head.startswith(b"\x0a") else ()
    numbers = {field.number for field in fields}
    named = bool(fields) and bool(re.fullmatch(rb"[\w ./-]+", fields[0].data))
    return named and bool(numbers & {2, 100}) and numbers <= {*range(1, 9), 100}


def _paddle_program(_path: Path, head: bytes) -> bool:
    """framework.proto's ProgramDesc: a block (1) with its number 0 (1) and its parent, -1 (2)."""
    return bool(re.match(rb"\x0a[\x80-\xff]*[\x00-\x7f]\x08\x00\x10\xff{9}\x01", head))


def _paddle_weights(_path: Path, head: bytes) -> bool:
    """Version 0, no levels, version 0, then the length of a TensorDesc: its type (1), sizes (2)."""
    length = int.from_bytes(head[16:20], "little")
    return head[:16] == bytes(16) and 4 <= length <= 128 and head[20:23:2] == b"\x08\x10"


def _darknet_weights(_path: Path, head: bytes) -> bool:
    """Version 0.1.0 or 0.2.x, how many images were seen, then float32 numbers of a usual size."""
    if head[:12] not in _DARKNET or len(head) < 20 + 4 * 16:
        return False
    values = np.frombuffer(head[20 : 20 + 4 * 16], "<f4")
    return bool(np.isfinite(values).all()) and bool(1e-6 < np.abs(values).max() < 1e4)


def _tensorflow_checkpoint(path: Path, _head: bytes) -> bool:
    """The last bytes of the table that a checkpoint's index is."""
    if path.suffix != ".index":
        return False
    try:
        with path.open("rb") as stream:
            stream.seek(-8, 2)
            return stream.read() == bytes.fromhex("57fb808b247547db")
    except OSError:
        return False


def _compressed_joblib(path: Path, head: bytes) -> bool:
    """The frame of joblib itself, or a zlib stream under its usual name."""
    zlib = head[:2] in (b"\x78\x01", b"\x78\x9c", b"\x78\xda") and path.suffix == ".joblib"
    return head.startswith(b"ZF0x") or zlib


def _pickled_estimator(_path: Path, head: bytes) -> bool:
    named = re.search(rb"\b(sklearn|xgboost|lightgbm|catboost)\.", head)
    return head.startswith(b"\x80") and bool(named)


_DARKNET = [struct.pack("<3i", 0, minor, revision) for minor, revision in ((1, 0), (2, 0), (2, 5))]
_TF2ONNX = "python -m tf2onnx.convert"

FOREIGN: tuple[Foreign, ...] = (
    Foreign("an ExecuTorch program", ORIGINAL, _at(4, b"ET12", b"ET13")),
    Foreign(
        "a TensorFlow.js graph model",
        ORIGINAL,
        _text(r'\{.*"graph-model"|\{\s*"modelTopology"\s*:\s*\{\s*"(node|library|versions)"'),
    ),
    Foreign(
        "a Paddle program",
        "convert its folder with paddle2onnx --model_dir FOLDER --model_filename NAME.pdmodel "
        "--params_filename NAME.pdiparams --save_file model.onnx",
        _paddle_program,
    ),
    Foreign(
        "a Paddle program (PIR)",
        "convert its folder with paddle2onnx --model_dir FOLDER --model_filename NAME.json "
        "--params_filename NAME.pdiparams --save_file model.onnx",
        _text(r'\{\s*"base_code"\s*:\s*\{[^}]*"pir"'),
    ),
    Foreign(
        "weights of a Paddle program",
        "convert the program beside them with paddle2onnx",
        _paddle_weights,
    ),
    Foreign("an OpenVINO model", ORIGINAL, _text(r'(<\?xml[^>]*>\s*)?<net\s[^>]*version="\d+"')),
    Foreign("a Core ML model", ORIGINAL, _core_ml),
    Foreign("a Core ML package", ORIGINAL, _beside("Manifest.json", "Data/*/*.mlmodel")),
    Foreign("a compiled Core ML model", ORIGINAL, _beside("coremldata.bin", "metadata.json")),
    Foreign("an ncnn model", ORIGINAL, _text(r"(7767517\s*\n\s*\d+\s+\d+|\x1d\x85\x76\x00)")),
    Foreign(
        "a TensorFlow SavedModel",
        f"convert its folder with {_TF2ONNX} --saved-model FOLDER --output model.onnx",
        _saved_model,
    ),
    Foreign(
        "a TensorFlow SavedModel",
        f"convert it with {_TF2ONNX} --saved-model FOLDER --output model.onnx",
        _beside("saved_model.pb*"),
    ),
    Foreign(
        "a frozen TensorFlow graph",
        f"convert it with {_TF2ONNX} --graphdef MODEL.pb --inputs NAME:0 --outputs NAME:0 "
        "--output model.onnx",
        _frozen_graph,
    ),
    Foreign(
        "a TensorFlow checkpoint",
        "load it where it was trained and save the model with model.save('model.keras')",
        _tensorflow_checkpoint,
    ),
    Foreign("a Caffe model", ORIGINAL, _caffe),
    Foreign(
        "an MXNet network",
        "export it with mxnet.onnx.export_model",
        _text(r'\{\s*"nodes"\s*:\s*\[\s*\{\s*"op"\s*:'),
    ),
    Foreign(
        "weights of an MXNet network",
        "export the network with mxnet.onnx.export_model",
        _at(0, b"\x12\x01" + bytes(14)),
    ),
    Foreign("a Darknet network", ORIGINAL, _text(r"(#[^\n]*\n\s*)*\[net(work)?\]\s")),
    Foreign(
        "Darknet weights",
        ORIGINAL,
        _darknet_weights,
    ),
    Foreign("a GGUF file", f"dequantise it, or {ORIGINAL}", _at(0, b"GGUF", b"lmgg", b"tjgg")),
    Foreign(
        "a TensorRT engine", "scan the ONNX file that it was built from", _at(0, b"ftrt", b"ptrt")
    ),
    Foreign("an RKNN model", ORIGINAL, _at(0, b"RKNN")),
    Foreign("a compressed joblib file", "only networks can be scanned", _compressed_joblib),
    Foreign("a pickled estimator", "only networks can be scanned", _pickled_estimator),
)
"""The first that matches names a file."""
