"""Pickles of tensors that are not there, are too large, or are no weights; bad safetensors."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import save

from corpus.valid import place, rewrite, state_dict, torch_bytes

PROTO, STOP = b"\x80\x02", b"."


def make(folder: Path, canary: str) -> Iterator[Path]:
    yield from _values(folder)
    yield from _pickles(folder)
    yield from _safetensors(folder)


def _values(folder: Path) -> Iterator[Path]:
    one = torch.ones(2, 2)
    state = state_dict()
    cyclic: dict = {}
    cyclic["model"] = cyclic
    loop: list = []
    loop.append(loop)
    spoiled = {
        "nan": {**state, "fc.bias": torch.tensor([0.0, torch.nan, 0.0])},
        "inf": {**state, "fc.bias": torch.tensor([0.0, torch.inf, 0.0])},
        "half-nan": {"w": torch.tensor([torch.nan], dtype=torch.bfloat16)},
        "expanded": {"w": torch.ones(1).expand(1 << 40)},
        "overlapping": {"w": torch.ones(8).as_strided((1 << 20, 1 << 20), (0, 0))},
        "sparse": {"w": torch.sparse_coo_tensor([[0], [1]], [1.0], (1 << 20, 1 << 20))},
        "quantized": {"w": torch.quantize_per_tensor(one, 0.1, 0, torch.qint8)},
        "meta": {"w": torch.empty(1 << 40, device="meta")},
        "complex": {"w": one.to(torch.complex64) * torch.nan},
        "wrong-keys": {"a": one, "b": one},
        "cyclic": cyclic,
        "loop": {"state_dict": loop},
        "aliased": {"w": one, "v": one.T, "u": one.view(-1)[1:]},
        "empty": {},
        "nothing": None,
        "tensor": one,
        "text": {"state_dict": "weights"},
        "numbers": {"a": 1, "b": 2.0},
        "deep": {"state_dict": {"state_dict": {"state_dict": {"state_dict": state}}}},
        "int-keys": {0: one, 1: one},
        "mask": {"w_orig": one, "w_mask": torch.ones(3)},
    }
    for name, data in spoiled.items():
        yield place(folder, f"{name}.pt", torch_bytes(data))
        if name in ("nan", "cyclic", "expanded", "wrong-keys", "loop"):
            yield place(folder, f"{name}.pth", torch_bytes(data, legacy=True))


def _pickles(folder: Path) -> Iterator[Path]:
    archive = torch_bytes(state_dict())
    storage = (
        b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu"
    )
    huge = storage + b"\x8a\x08" + struct.pack("<q", 1 << 60) + b"tQ"
    small = storage + b"K\x01tQ"
    rebuild = b"ctorch._utils\n_rebuild_tensor_v2\n"
    size = b"\x8a\x08" + struct.pack("<q", 1 << 60)
    tail = b"\x89ccollections\nOrderedDict\n)RtR"
    programs = {
        "huge-storage": b"}X\x01\x00\x00\x00w" + huge + b"s",
        "negative-storage": storage + b"J\xff\xff\xff\xfftQ",
        "huge-shape": rebuild + b"(" + small + b"K\x00" + size + b"\x85K\x01\x85" + tail,
        "negative-shape": rebuild + b"(" + small + b"K\x00J\xff\xff\xff\xff\x85K\x01\x85" + tail,
        "huge-offset": rebuild + b"(" + small + size + b"K\x01\x85K\x01\x85" + tail,
        "bytearray": b"cbuiltins\nbytearray\n" + size + b"\x85R",
        "tensor-call": b"ctorch\nTensor\n" + size + b"\x85R",
        "memo": b"N" + b"r\xff\xff\xff\x7f",
        "long-text": b"X\xff\xff\xff\x7fabc",
        "long-bytes": b"\x8e" + struct.pack("<Q", 1 << 62),
        "long-number": b"\x8b\xff\xff\xff\x7f",
        "nested": b"]" * 200_000 + b"a" * 199_999,
        "stack": b"(" * 100_000,
        "extension": b"\x82\x01",
        "stack-global": b"\x8c\x02os\x8c\x06system\x93",
        "instance": b"(ios\nsystem\n",
        "text-persistent": b"Pstorage\n",
        "module": b"(X\x06\x00\x00\x00module" + small[1:],
        "shadow": b"ccollections\nOrderedDict.__init__\n",
        "underflow": b"tR",
        "unknown": b"\xff",
    }
    for name, code in programs.items():
        data = rewrite(archive, {"data.pkl": PROTO + code + STOP})
        yield place(folder, f"pickle-{name}.pt", data)


def _safetensors(folder: Path) -> Iterator[Path]:
    state = state_dict()
    nan = {**state, "fc.bias": torch.full((3,), torch.nan)}
    yield place(folder, "nan.safetensors", save(nan))
    yield place(folder, "none.safetensors", save({}))
    entry = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    headers = {
        "overlap": {"a": entry, "b": entry},
        "shape": {"a": {**entry, "shape": [3]}},
        "huge": {"a": {**entry, "shape": [1 << 62, 1 << 62]}},
        "negative": {"a": {**entry, "shape": [-2]}},
        "dtype": {"a": {**entry, "dtype": "PICKLE"}},
        "beyond": {"a": {**entry, "data_offsets": [0, 1 << 40]}},
        "backwards": {"a": {**entry, "data_offsets": [8, 0]}},
        "gap": {"a": {**entry, "data_offsets": [4, 12]}},
        "metadata": {"__metadata__": {"a": {"b": 1}}, "a": entry},
        "list": [entry],
    }
    for name, header in headers.items():
        text = json.dumps(header).encode()
        yield place(folder, f"{name}.safetensors", struct.pack("<Q", len(text)) + text + b"\0" * 8)
    texts = {"text": b"{", "deep": b'{"a":' * 50_000, "utf": b'{"\xff": 1}', "empty": b""}
    for name, text in texts.items():
        yield place(folder, f"json-{name}.safetensors", struct.pack("<Q", len(text)) + text)
    for name, length in (("long", 1 << 63), ("beyond-file", 1 << 20), ("limit", 100_000_001)):
        yield place(folder, f"length-{name}.safetensors", struct.pack("<Q", length) + b"{}")
