"""Models of other frameworks are recognised by their content and named."""

import json
import pickle
import re
import struct
from pathlib import Path

import pytest

from triggerfish.errors import UnsupportedModelError
from triggerfish.loading.foreign import FOREIGN, foreign, looks_foreign
from triggerfish.loading.format import recognise


def field(number: int, value: bytes | int) -> bytes:
    """One field of a protocol buffer: a number, or bytes with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


NODE = field(1, field(1, b"input/x") + field(2, b"Placeholder") + field(5, bytes(300)))
META = field(1, field(2, b"") + field(4, b"serve") + field(5, b"2.16.1")) + field(2, NODE)
BLOCK = field(1, 0) + field(2, -1) + field(3, bytes(40))
TENSOR = field(1, 5) + field(2, 3) + field(2, 64)
SAMPLES = {
    "an ExecuTorch program": struct.pack("<I", 28) + b"ET12" + bytes(40),
    "a TensorFlow.js graph model": b'{"format": "graph-model", "modelTopology": {}}',
    "a Paddle program": field(1, BLOCK),
    "a Paddle program (PIR)": b'{"base_code":{"magic":"pir","trainable":false,"version":1}}',
    "weights of a Paddle program": bytes(16) + struct.pack("<i", len(TENSOR)) + TENSOR + b"w" * 64,
    "an OpenVINO model": b'<?xml version="1.0"?>\n<net name="m" version="11">\n<layers/></net>',
    "a Core ML model": field(1, 5) + field(2, field(1, field(1, b"image"))) + field(500, b"x" * 90),
    "an ncnn model": b"7767517\n3 3\nInput data 0 1 data\n",
    "a TensorFlow SavedModel": field(1, 1) + field(2, META),
    "a frozen TensorFlow graph": NODE * 3,
    "a Caffe model": field(1, b"CaffeNet") + field(100, b"layer" * 9),
    "an MXNet network": b'{\n  "nodes": [\n    {\n      "op": "null",\n "name": "data"}]}',
    "weights of an MXNet network": struct.pack("<QQ", 0x112, 0) + bytes(60),
    "a Darknet network": b"# small\n[net]\nwidth=28\n\n[convolutional]\nfilters=8\n",
    "Darknet weights": struct.pack("<3iq40f", 0, 2, 5, 32013312, *[0.1] * 40),
    "a GGUF file": b"GGUF" + struct.pack("<I", 3) + bytes(40),
    "a TensorRT engine": b"ftrt" + bytes(60),
    "an RKNN model": b"RKNN" + bytes(60),
    "a compressed joblib file": b"ZF0x1a2b" + bytes(60),
}


@pytest.mark.parametrize(("name", "data"), SAMPLES.items())
def test_is_named_by_its_content(name: str, data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(data)
    kind = foreign(path)
    assert kind is not None
    assert kind.name == name
    assert looks_foreign(path)
    said = re.escape(f"got {kind.name} at {path}: {kind.advice}")
    with pytest.raises(UnsupportedModelError, match=said):
        recognise(path)


def test_a_tensorflow_checkpoint_is_known_by_its_end(tmp_path: Path) -> None:
    path = tmp_path / "ckpt-1.index"
    path.write_bytes(bytes(100) + bytes.fromhex("57fb808b247547db"))
    assert foreign(path) in FOREIGN


@pytest.mark.parametrize(
    ("files", "name"),
    [
        (["saved_model.pb", "variables/variables.index"], "a TensorFlow SavedModel"),
        (["Manifest.json", "Data/com.apple.CoreML/model.mlmodel"], "a Core ML package"),
        (["coremldata.bin", "metadata.json"], "a compiled Core ML model"),
    ],
)
def test_folders_are_named(files: list[str], name: str, tmp_path: Path) -> None:
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(b"x")
    with pytest.raises(UnsupportedModelError, match=f"got {name}"):
        recognise(tmp_path)


@pytest.mark.parametrize(
    "data",
    [
        b"# Title\n\nSome text with [net] in it\n",
        json.dumps({"model_type": "vit", "nodes": 3}).encode(),
        struct.pack(">4i", 2051, 10, 28, 28) + bytes(200),  # an idx file of images
        struct.pack("<40i", *range(40)),
        struct.pack("<40i", 0, 2, 5, *range(37)),
        bytes(400),
        b"\x93NUMPY\x01\x00" + bytes(100),
        b"\x89PNG\r\n\x1a\n" + bytes(60),
        pickle.dumps({"data": b"x" * 100, "labels": [1, 2]}),
        field(1, 8) + field(2, b"pytorch") + field(7, b"graph" * 20) + field(8, b"x"),  # ONNX
        b"<html><body>404</body></html>",
    ],
)
def test_other_files_are_not(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file.dat"
    path.write_bytes(data)
    assert foreign(path) is None
    assert not looks_foreign(path)


@pytest.mark.parametrize(
    "data",
    [
        struct.pack("<I", 28) + b"TFL3" + bytes(40),
        json.dumps({"format": "layers-model", "modelTopology": {}}).encode(),
        json.dumps([{"paths": ["group1-shard1of1"], "weights": []}]).encode(),
    ],
)
def test_what_is_read_looks_like_a_model_under_any_name(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file.dat"
    path.write_bytes(data)
    assert looks_foreign(path)
    assert foreign(path) is None


def test_a_name_is_enough_to_look_like_a_model(tmp_path: Path) -> None:
    path = tmp_path / "model.TFLITE"
    path.write_bytes(b"not what it says")
    assert looks_foreign(path)
    assert not looks_foreign(tmp_path / "missing.txt")
