"""Zip archives that lie: bombs, traversal, storages that are not there, ambiguous tables."""

import io
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

from corpus.valid import place, rewrite, state_dict, torch_bytes, torchscript


def make(folder: Path, canary: str) -> Iterator[Path]:
    archive = torch_bytes(state_dict())
    zeros = b"\0" * (4 << 20)
    names = {
        "traversal": "../../evil",
        "absolute": canary,
        "windows": "..\\evil",
        "drive": "C:evil",
        "inner": "archive/../../evil",
    }
    for name, entry in names.items():
        yield place(folder, f"{name}.pt", rewrite(archive, {entry: b"x"}))
    bomb = rewrite(archive, {"data/0": zeros}, zipfile.ZIP_DEFLATED)
    yield place(folder, "bomb.pt", bomb)
    yield place(
        folder, "bomb-pickle.pt", rewrite(archive, {"data.pkl": zeros}, zipfile.ZIP_DEFLATED)
    )
    yield place(folder, "bomb-lzma.pt", rewrite(archive, {"data/0": zeros}, zipfile.ZIP_LZMA))
    yield place(folder, "bomb-bz2.pt", rewrite(archive, {"data/0": zeros}, zipfile.ZIP_BZIP2))
    code = {"code/__torch__.py": b" " * (4 << 20)}
    yield place(folder, "bomb-code.pt", rewrite(torchscript(), code, zipfile.ZIP_DEFLATED))
    yield place(folder, "overlap.pt", _overlapping())
    yield place(folder, "duplicate.pt", _duplicate(archive))
    yield place(folder, "encrypted.pt", _set_flag(archive))
    yield place(folder, "missing-storage.pt", rewrite(archive, {"data/0": None}))
    yield place(folder, "short-storage.pt", rewrite(archive, {"data/0": b"\0"}))
    yield place(folder, "no-pickle.pt", rewrite(archive, {"data.pkl": None}))
    yield place(folder, "empty-pickle.pt", rewrite(archive, {"data.pkl": b""}))
    yield place(folder, "script-short.pt", rewrite(torchscript(), {"data/0": b"\0"}))
    yield place(folder, "script-no-data.pt", rewrite(torchscript(), {"data.pkl": None}))
    yield place(folder, "two-archives.pt", archive + torch_bytes({"w": 1}))
    yield place(folder, "empty.zip.pt", rewrite(archive, {}, 0)[-22:])
    yield place(folder, "other.zip.pt", _plain_zip())
    yield place(folder, "many.pt", _many())
    yield place(folder, "checksum.pt", _spoil_checksum(archive))


def _plain_zip() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as target:
        target.writestr("readme.txt", "hello")
    return stream.getvalue()


def _many() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as target:
        for i in range(20_001):
            target.writestr(f"a/{i}", b"")
    return stream.getvalue()


def _duplicate(archive: bytes) -> bytes:
    stream = io.BytesIO(archive)
    with zipfile.ZipFile(stream, "a") as target:
        target.writestr(target.namelist()[0], b"other")
    return stream.getvalue()


def _overlapping() -> bytes:
    """Many central-directory records for one local file (a non-recursive zip bomb)."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as target:
        target.writestr("a/data.pkl", b"x" * 5000)
        first = target.infolist()[0]
        for i in range(50):
            copy = zipfile.ZipInfo(f"a/data/{i}")
            copy.file_size, copy.compress_size = first.file_size, first.compress_size
            copy.CRC, copy.header_offset = first.CRC, first.header_offset
            target.filelist.append(copy)
    return stream.getvalue()


def _set_flag(archive: bytes) -> bytes:
    data = bytearray(archive)
    at = data.find(b"PK\x01\x02")
    while at != -1:
        (flags,) = struct.unpack_from("<H", data, at + 8)
        struct.pack_into("<H", data, at + 8, flags | 1)
        at = data.find(b"PK\x01\x02", at + 4)
    return bytes(data)


def _spoil_checksum(archive: bytes) -> bytes:
    source = zipfile.ZipFile(io.BytesIO(archive))
    info = next(i for i in source.infolist() if i.filename.endswith("data.pkl"))
    data = bytearray(archive)
    at = data.find(b"conv.weight", info.header_offset)
    data[at] ^= 1
    return bytes(data)
