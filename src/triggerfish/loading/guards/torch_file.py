"""Pickled files (``torch.save``, old and new, and ``pickle.dump``), read by our own machine.

Nothing of the file runs, whatever classes it names: see `pickle_machine`. The names come first: one
that can act makes the file *dangerous*, wherever it stands and whether it is used or not.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import BinaryIO
from zipfile import ZipFile

import torch
from torch import Tensor

from triggerfish.errors import CheckpointError, one_line
from triggerfish.loading.guards.pickle_builders import builders_for, stored
from triggerfish.loading.guards.pickle_check import code_in_pickle
from triggerfish.loading.guards.pickle_data import Storage
from triggerfish.loading.guards.pickle_machine import Machine
from triggerfish.loading.guards.pickle_names import LOOK_UPS, can_act
from triggerfish.loading.guards.pickle_scan import scan_pickle
from triggerfish.loading.guards.pytorch_archive import (
    archive_root,
    check_storage,
    open_archive,
    read_entry,
)

ZIP_MAGIC = b"PK\x03\x04"
_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C  # torch.serialization.MAGIC_NUMBER
# The magic number as the first pickle of a file from before PyTorch 1.6.
LEGACY_MAGIC = pickle.dumps(_MAGIC_NUMBER, protocol=2)
_LEGACY_PICKLES = 5  # magic number, protocol, system info, the object, the storage keys
_MAX_NESTING = 3
_MAX_PICKLES = 16
_MAX_STORAGE = 64 << 30  # an archive may not unpack to more than a multiple of its size anyway


@dataclass(frozen=True)
class Unpickled:
    """What a file holds, with `Record`s for objects of unknown classes, which are ``unknown``."""

    data: object
    unknown: tuple[str, ...]


@contextmanager
def unpickled(path: Path, head: bytes) -> Iterator[Unpickled]:
    """What ``torch.save`` or ``pickle.dump`` has written; stored tensors can be read meanwhile.

    Raises `DangerousFileError` with all names that can act, and `CheckpointError` for damage.
    """
    unknown: dict[str, None] = {}
    if head.startswith(ZIP_MAGIC):
        with open_archive(path) as archive:
            yield Unpickled(_zipped(path, archive, unknown), tuple(unknown))
        return
    with path.open("rb") as stream:
        read = _legacy if head.startswith(LEGACY_MAGIC) else _plain
        yield Unpickled(read(stream, path.stat().st_size, unknown), tuple(unknown))


def pickle_of(path: Path, archive: ZipFile) -> tuple[str, bytes]:
    """The folder of an archive's entries, and its ``data.pkl``.

    Raises `CheckpointError` where there is none, or where PyTorch would read another one.
    """
    root = archive_root(archive, "data.pkl")
    if root is None:
        raise CheckpointError(
            "the file is a zip file, but no PyTorch archive (it has no data.pkl): "
            "give the checkpoint itself"
        )
    data = read_entry(archive, f"{root}data.pkl")
    # PyTorch has a zip reader of its own, and one file can tell the two different things.
    try:
        with path.open("rb") as stream:
            pytorchs = bytes(torch._C.PyTorchFileReader(stream).get_record("data.pkl"))
    except RuntimeError as error:
        raise CheckpointError(f"expected a PyTorch archive, got: {one_line(error)}") from error
    if pytorchs != data:
        raise CheckpointError("expected one table of contents, got an ambiguous archive")
    return root, data


def _zipped(path: Path, archive: ZipFile, unknown: dict[str, None]) -> object:
    root, data = pickle_of(path, archive)
    if f"{root}byteorder" in archive.namelist() and read_entry(
        archive, f"{root}byteorder", 16
    ).startswith(b"big"):
        raise CheckpointError(
            "expected numbers in little-endian order, got a file of a big-endian machine: "
            "save it again on a usual one"
        )
    folder = f"{root}data/"

    @cache
    def load(key: str) -> Tensor:
        return _bytes(read_entry(archive, f"{folder}{key}", _MAX_STORAGE))

    def find(key: str, count: int, dtype: torch.dtype) -> Storage:
        check_storage(archive, folder, key, count * dtype.itemsize)
        return Storage(partial(load, key), dtype, count)

    return _object(data, find, unknown)


def _bytes(data: bytes) -> Tensor:
    if not data:
        return torch.empty(0, dtype=torch.uint8)
    return torch.frombuffer(bytearray(data), dtype=torch.uint8)


def _object(
    data: bytes,
    find: Callable[[str, int, torch.dtype], Storage],
    unknown: dict[str, None],
    nesting: int = 0,
) -> object:
    """One pickle, after a look at all of its names."""
    _check_names([data])

    def load_bytes(inner: bytes) -> object:
        if nesting >= _MAX_NESTING or not inner.startswith(LEGACY_MAGIC):
            raise CheckpointError("expected a tensor inside the pickle, got another file")
        return _legacy(io.BytesIO(inner), len(inner), unknown, nesting + 1)

    machine = Machine(
        builders_for(lambda: machine, load_bytes), lambda identifier: stored(identifier, find)
    )
    try:
        return machine.load(data)
    finally:
        unknown.update(machine.unknown)


def _check_names(pickles: list[bytes]) -> None:
    """Raise with every name in some pickles that can act, those before a damage included."""
    acting: dict[str, None] = {}
    broken = None
    for data in pickles:
        scan = scan_pickle(io.BytesIO(data))
        acting.update(dict.fromkeys(name for name in scan.names if can_act(name)))
        broken = broken or scan.broken
    look_ups = LOOK_UPS & acting.keys()
    # The machine sees what is looked up, if it comes that far.
    if (acting.keys() - look_ups) or (look_ups and broken):
        raise code_in_pickle(tuple(acting))
    if broken:
        raise CheckpointError(f"expected a whole pickle, got a broken one: {broken}")


def _next_pickle(stream: BinaryIO) -> bytes:
    """The bytes of the pickle that begins here; what is left of a broken one."""
    start = stream.tell()
    scan = scan_pickle(stream)
    end = stream.seek(0, io.SEEK_END) if scan.broken else stream.tell()
    stream.seek(start)
    return stream.read(end - start)


def _legacy(stream: BinaryIO, size: int, unknown: dict[str, None], nesting: int = 0) -> object:
    """A file from before PyTorch 1.6: five pickles, then the storages in a row."""
    pickles: list[bytes] = []
    while len(pickles) < _LEGACY_PICKLES and stream.tell() < size:
        pickles.append(_next_pickle(stream))
    _check_names(pickles)
    if len(pickles) < _LEGACY_PICKLES:
        raise CheckpointError("the file ends early: fetch it again")
    storages = _LegacyStorages(stream, size, stream.tell())
    magic, _, system, data, keys = (
        _object(part, storages.find, unknown, nesting) for part in pickles
    )
    if magic != _MAGIC_NUMBER or not isinstance(keys, (list, tuple)):
        raise CheckpointError("the file is a pickle that torch.save has not written")
    if isinstance(system, dict) and system.get("little_endian") is False:
        raise CheckpointError("expected numbers in little-endian order, got a big-endian file")
    storages.keys = tuple(map(str, keys))
    return data


class _LegacyStorages:
    """The storages at the end of an old file, in the order of ``keys``."""

    def __init__(self, stream: BinaryIO, size: int, start: int) -> None:
        self._stream, self._size, self._start = stream, size, start
        self.keys: tuple[str, ...] = ()
        self._items: dict[str, int] = {}

    def find(self, key: str, count: int, dtype: torch.dtype) -> Storage:
        """The storage ``key``; raises `CheckpointError` where the file is too small for it."""
        if count * dtype.itemsize > self._size:
            raise CheckpointError(
                f"expected storage {key} to hold {count * dtype.itemsize} bytes, got a file of "
                f"{self._size}: the file is damaged"
            )
        self._items.setdefault(key, dtype.itemsize)
        return Storage(partial(self._load, key, count * dtype.itemsize), dtype, count)

    def _load(self, key: str, nbytes: int) -> Tensor:
        at = self._start
        for name in self.keys:
            if at >= self._size:
                break
            self._stream.seek(at)
            held = int.from_bytes(self._stream.read(8), "little") * self._items.get(name, 1)
            if name == key:
                data = self._stream.read(nbytes) if nbytes <= held else b""
                if len(data) < nbytes:
                    break
                return _bytes(data)
            at += 8 + held
        raise CheckpointError(
            f"storage {key} holds fewer than its {nbytes} bytes: the file is damaged"
        )


def _plain(stream: BinaryIO, size: int, unknown: dict[str, None]) -> object:
    """What ``pickle.dump`` has written, a list where it was called several times."""
    pickles: list[bytes] = []
    while stream.tell() < size and len(pickles) < _MAX_PICKLES:
        at = stream.tell()
        if pickles and stream.read(1) != b"\x80":
            break
        stream.seek(at)
        pickles.append(_next_pickle(stream))
    _check_names(pickles)
    found = [_object(data, _nowhere, unknown) for data in pickles]
    return found[0] if len(found) == 1 else found


def _nowhere(key: str, _count: int, _dtype: torch.dtype) -> Storage:
    raise CheckpointError(f"expected the storage {key} beside the pickle, got none")
