"""Archives that hold models: not opened, but named, with the command that unpacks them."""

from __future__ import annotations

import tarfile
import zlib
from itertools import islice
from pathlib import Path, PurePosixPath

from triggerfish.errors import CheckpointError
from triggerfish.loading.contents import Contents, Format
from triggerfish.loading.discovery import MODEL_SUFFIXES
from triggerfish.loading.formats.pytorch import ZIP_MAGIC
from triggerfish.loading.guards.pytorch_archive import entry_names
from triggerfish.loading.hints import LoadOptions

NAME = "archive"
_TAR_MAGIC, _TAR_AT, _HEADER = b"ustar", 257, 512
_GZIP_MAGIC = b"\x1f\x8b"
_MOST, _SHOWN = 1000, 5


def _matches(path: Path, head: bytes) -> bool:
    if head.startswith(ZIP_MAGIC):
        return bool(_models(entry_names(path, head)))
    return _is_tar(head) or _is_tar(_unzipped(head))


def _read(path: Path, head: bytes, _options: LoadOptions) -> Contents:
    zipped = head.startswith(ZIP_MAGIC)
    names = entry_names(path, head) if zipped else _tar_names(path, head)
    models = _models(names) or names
    shown = ", ".join(repr(name)[1:-1] for name in models[:_SHOWN])
    command = f"unzip {path} -d FOLDER" if zipped else f"tar -xf {path} -C FOLDER"
    raise CheckpointError(
        f"expected a model, got {'a zip' if zipped else 'a tar'} archive with "
        f"{shown or 'nothing'}{', ...' if len(models) > _SHOWN else ''}: unpack it with "
        f"{command} and scan FOLDER"
    )


def _models(names: list[str]) -> list[str]:
    return [name for name in names if PurePosixPath(name).suffix.lower() in MODEL_SUFFIXES]


def _is_tar(head: bytes) -> bool:
    return head[_TAR_AT : _TAR_AT + len(_TAR_MAGIC)] == _TAR_MAGIC


def _unzipped(head: bytes) -> bytes:
    """The first header in a gzip file, no more: it may be a bomb."""
    if not head.startswith(_GZIP_MAGIC):
        return b""
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(head, _HEADER)
    except zlib.error:
        return b""


def _tar_names(path: Path, head: bytes) -> list[str]:
    """Members of a tar file; of a compressed one only the first, which needs no unpacking."""
    try:
        if not _is_tar(head):
            return [tarfile.TarInfo.frombuf(_unzipped(head), "utf-8", "surrogateescape").name]
        with tarfile.open(path, "r:") as archive:
            return [member.name for member in islice(archive, _MOST)]
    except (tarfile.TarError, OSError, ValueError, EOFError) as error:
        raise CheckpointError(
            f"expected a model, got a damaged tar archive ({error}): fetch it again"
        ) from error


FORMAT = Format(NAME, _matches, _read)
