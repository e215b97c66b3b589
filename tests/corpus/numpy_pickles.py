"""Plain pickles that claim to be NumPy arrays, and archives of models."""

import gzip
import io
import pickle
import struct
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from corpus.pickles import Call, dumps
from corpus.valid import pack, place, state_dict, torch_bytes

_RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n"
_FROM_BUFFER = b"cnumpy._core.numeric\n_frombuffer\n"
_FLOAT = b"cnumpy\ndtype\nX\x02\x00\x00\x00f4\x85R"
_HUGE = b"\x8a\x08" + struct.pack("<q", 1 << 60)


def make(folder: Path, canary: str) -> Iterator[Path]:
    for name, data in {**_objects(canary), **_programs()}.items():
        yield place(folder, f"{name}.pkl", data)
    yield from _containers(folder)


def _objects(canary: str) -> dict[str, bytes]:
    array = np.ones((2, 2), np.float32)
    cyclic: dict = {}
    cyclic["weights"] = cyclic
    shared: object = [array]
    for _ in range(30):
        shared = [shared, shared]
    objects = {
        "nan": {"w": np.full(3, np.nan)},
        "object": {"w": np.array([{}, []], object)},
        "complex": {"w": array.astype(np.complex64)},
        "text": {"w": np.array(["a"])},
        "record": {"w": np.zeros(2, [("a", "f4")])},
        "cyclic": cyclic,
        "shared": {"w": shared},
        "list": [array, array],
        "array": array,
        "numbers": {"a": 1},
        "wrong": {"a": array, "b": array},
        "integers": {1: array},
    }
    calls = {
        f"call-{protocol}": dumps(
            {"w": array.tobytes(), "x": Call("os", "mkdir", (canary,))}, protocol
        )
        for protocol in range(3)
    }
    return {**{name: pickle.dumps(value) for name, value in objects.items()}, **calls}


def _programs() -> dict[str, bytes]:
    state = b"}X\x0c\x00\x00\x00__defaults__Ns"
    programs = {
        "huge-shape": _FROM_BUFFER + b"(C\x04abcd" + _FLOAT + _HUGE + b"\x85tR",
        "negative-shape": _FROM_BUFFER + b"(C\x04abcd" + _FLOAT + b"J\xff\xff\xff\xff\x85tR",
        "huge-reconstruct": _RECONSTRUCT + b"(cnumpy\nndarray\n" + _HUGE + b"\x85C\x01btR",
        "poison": _FROM_BUFFER + b"N" + state + b"\x86b",
        "memo": b"Nr\xff\xff\xff\x7f",
        "nested": b"]" * 100_000 + b"a" * 99_999,
        "long": b"\x8e" + struct.pack("<Q", 1 << 62),
        "bytearray": b"\x96" + struct.pack("<Q", 1 << 62),
        "extension": b"\x82\x01",
        "persistent": b"NQ",
        "computed": b"\x8c\x02os\x8c\x06systemN0\x93",
        "buffer": b"\x97",
    }
    return {f"program-{name}": b"\x80\x05" + code + b"." for name, code in programs.items()}


def _containers(folder: Path) -> Iterator[Path]:
    model = torch_bytes(state_dict())
    yield place(folder, "models.zip", pack({"a.pt": model, "b/c.onnx": b"x"}))
    yield place(folder, "traversal.zip", pack({"../../evil.pt": model}))
    yield place(folder, "lines.zip", pack({"a\nb.pt": model}))
    for name, members in {
        "models": ["a.pt"],
        "out": ["/etc/evil.pt", "../b.pt"],
        "none": [],
    }.items():
        packed = _tar(members, model)
        yield place(folder, f"{name}.tar", packed)
        yield place(folder, f"{name}.tgz.pt", gzip.compress(packed))
    yield place(folder, "cut.tar", _tar(["a.pt"], model)[:700])
    bomb = gzip.compress(_tar(["a.pt"], b"\0" * (64 << 20)))
    yield place(folder, "bomb.tar.gz.pt", bomb)


def _tar(names: list[str], data: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()
