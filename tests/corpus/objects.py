"""Pickles of objects for the machine that reads them: calls in disguise, lies about tensors."""

import io
import struct
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn

from corpus.pickles import Call, _splice, dumps
from corpus.valid import place, rewrite, state_dict, torch_bytes

_STORAGE = (
    b"(X\x07\x00\x00\x00storagectorch\n%s\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu\x8a\x08%stQ"
)
_ODD = b"ccollections\nOrderedDict\n)R"


def make(folder: Path, canary: str) -> Iterator[Path]:
    archive, legacy = torch_bytes(state_dict()), torch_bytes(state_dict(), legacy=True)
    for name, data in {**_disguised(canary), **_lies(), **_shapes()}.items():
        yield place(folder, f"{name}.pt", rewrite(archive, {"data.pkl": data}))
        yield place(folder, f"{name}.pth", _splice(legacy, 3, data))
        yield place(folder, f"{name}.pkl", data)
    yield from _inside(folder, canary)
    yield from _tables(folder, legacy)


def _disguised(canary: str) -> dict[str, bytes]:
    """The same call, where another call would make it later, or nobody looks."""
    touch = f"X{struct.pack('<I', len(canary) + 6).decode('latin1')}touch {canary}".encode("latin1")
    system = b"cos\nsystem\n"
    programs = {
        "partial": b"cfunctools\npartial\n(" + system + touch + b"tR)R",
        "of-type": b"ctorch._tensor\n_rebuild_from_type_v2\n(" + system + b"N" + touch + b"\x85NtR",
        "reconstructed": b"ccopy_reg\n_reconstructor\n(" + system + b"N" + touch + b"tR",
        "thrown-away": system + touch + b"\x85R0}",
        "memo": system + b"q\x00" + b"0}h\x00" + touch + b"\x85Rq\x010",
        "looked-up": b"cbuiltins\ngetattr\ncos\nX\x06\x00\x00\x00system\x86R" + touch + b"\x85R",
        "module-class": b"(X\x06\x00\x00\x00module" + system + b"NNtQ" + touch + b"\x85R",
        "item": b"csome.package\nList\n)R(" + system + touch + b"\x85Re",
        "unknown-function": b"csome.package\nrun\n" + touch + b"\x85R",
        "result": b"csome.package\nMaker\n" + touch + b"\x85R)R",
        "new": b"csome.package\nMaker\n)\x81(" + touch + b"csome.package\nrun\n)Rtb",
    }
    return {name: b"\x80\x02" + code + b"." for name, code in programs.items()}


def _tensor(function: bytes, storage: bytes, count: int, rest: bytes) -> bytes:
    store = _STORAGE % (storage, struct.pack("<q", count))
    name = b"ctorch._utils\n" + function + b"\n("
    return b"}X\x01\x00\x00\x00w" + name + store + b"K\x00" + rest + b"tRs"


def _lies() -> dict[str, bytes]:
    """Tensors of rarer kinds that are not what they say."""
    two = b"(K\x02K\x02t(K\x02K\x01t"
    affine, channels = b"ctorch\nper_tensor_affine\n", b"ctorch\nper_channel_affine\n"
    many = b"\x8a\x08" + struct.pack("<q", 1 << 60)
    v3, q = b"_rebuild_tensor_v3", b"_rebuild_qtensor"
    small = b"\x89" + _ODD
    programs = {
        "type-unknown": _tensor(v3, b"UntypedStorage", 4, two + small + b"ctorch\nevil99\n"),
        "type-none": _tensor(v3, b"UntypedStorage", 4, two + small + b"N"),
        "type-short": _tensor(v3, b"UntypedStorage", 4, two + small + b"ctorch\nfloat64\n"),
        "type-many": _tensor(
            v3, b"UntypedStorage", 4, many + b"\x85K\x01\x85" + small + b"ctorch\nfloat8_e5m2\n"
        ),
        "scheme": _tensor(q, b"QInt8Storage", 4, two + b"(ctorch\nfloat32\nK\x01K\x00t" + small),
        "scale-text": _tensor(
            q, b"QInt8Storage", 4, two + b"(" + affine + b"X\x01\x00\x00\x00aK\x00t" + small
        ),
        "axis": _tensor(
            q, b"QInt8Storage", 4, two + b"(" + channels + b"G" + bytes(8) + b"K\x00K\x09t" + small
        ),
        "sparse": _tensor(b"_rebuild_sparse_tensor", b"FloatStorage", 1, two),
        "subclass": _tensor(b"_rebuild_wrapper_subclass", b"FloatStorage", 1, two),
        "float-size": _tensor(
            b"_rebuild_tensor_v2", b"FloatStorage", 1, b"G" + bytes(8) + b"\x85K\x01\x85" + small
        ),
        "view": b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000"
        b"X\x03\x00\x00\x00cpuK\x01(X\x01\x00\x00\x001K\x05K\x09ttQ",
    }
    return {name: b"\x80\x02" + code + b"." for name, code in programs.items()}


def _shapes() -> dict[str, bytes]:
    """Modules and containers without an end."""
    keys = b"X\x0b\x00\x00\x00_parameters}X\x08\x00\x00\x00_modules}"
    cyclic = b"csome.package\nNet\n)\x81q\x00}(" + keys + b"X\x01\x00\x00\x00ah\x00su" + b"b"
    shared = b"]" + b"q\x00" + b"".join(b"](h\x00h\x00eq\x00" for _ in range(40))
    programs = {
        "cyclic-module": cyclic,
        "shared-lists": shared,
        "deep": b"}X\x01\x00\x00\x00a" * 60 + b"N" + b"s" * 60,
        "state-of-a-class": b"csome.package\nNet\n}X\x01\x00\x00\x00aK\x01sb",
        "items-of-none": b"N(K\x01e",
        "entries-of-a-list": b"](K\x01K\x02u",
        "unhashable": b"}]K\x01s",
        "marks": b"(" * 50_000 + b"t" * 50_000,
    }
    return {name: b"\x80\x02" + code + b"." for name, code in programs.items()}


def _inside(folder: Path, canary: str) -> Iterator[Path]:
    """Files of ``torch.save`` that are data of a plain pickle."""
    stream = io.BytesIO()
    torch.save(torch.ones(2), stream, _use_new_zipfile_serialization=False)
    good = stream.getvalue()
    evil = _splice(good, 3, dumps(Call("os", "system", (f"touch {canary}",))))
    nested = good
    for _ in range(6):
        call = Call("torch.storage", "_load_from_bytes", (nested,))
        nested = _splice(good, 3, dumps(call))
    for name, data in {"evil": evil, "nested": nested, "cut": good[:-4], "zip": torch_bytes({}),
                       "text": b"nothing", "empty": b""}.items():  # fmt: skip
        call = Call("torch.storage", "_load_from_bytes", (data,))
        yield place(folder, f"inside-{name}.pkl", dumps({"w": call}, 4))


def _tables(folder: Path, legacy: bytes) -> Iterator[Path]:
    """Old files whose storages are not as long as they say."""
    for name, count in {"huge": 1 << 62, "none": 0, "negative": -1}.items():
        at = legacy.rindex(struct.pack("<q", 3))  # the last storage: three numbers
        data = legacy[:at] + struct.pack("<q", count) + legacy[at + 8 :]
        yield place(folder, f"table-{name}.pth", data)
    module = nn.Linear(2, 2)
    cut = torch_bytes(module)
    yield place(folder, "module-short.pt", rewrite(cut, {"data/0": b"\0"}))
