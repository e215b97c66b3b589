"""Archives that hold models: not opened, but named, with the command that unpacks them."""

from __future__ import annotations

import io
import shlex
import tarfile
import zlib
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path, PurePosixPath

from triggerfish.errors import CheckpointError
from triggerfish.loading.contents import Contents
from triggerfish.loading.discovery import MODEL_SUFFIXES
from triggerfish.loading.guards.pytorch_archive import entry_names
from triggerfish.loading.guards.torch_file import ZIP_MAGIC
from triggerfish.loading.hints import LoadOptions

NAME = "archive"
_TAR_MAGIC, _TAR_AT = b"ustar", 257
_BEGINNING = 64 << 10  # of a compressed archive: it may be a bomb
_GZIP_MAGIC = b"\x1f\x8b"
_MOST, _SHOWN = 1000, 5


def read(path: Path, head: bytes, _options: LoadOptions) -> Contents:
    """Raise what says how to unpack it."""
    zipped = head.startswith(ZIP_MAGIC)
    names = entry_names(path, head) if zipped else _tar_names(path, head)
    models = models_in(names) or names
    shown = ", ".join(repr(name)[1:-1] for name in models[:_SHOWN])
    leaving = [name for name in names if name.startswith("/") or ".." in name.split("/")]
    if leaving:
        raise CheckpointError(
            f"expected names inside the archive, got {leaving[0]!r}: path traversal, do not unpack"
        )
    file = shlex.quote(str(path))
    command = f"unzip {file} -d FOLDER" if zipped else f"tar -xf {file} -C FOLDER"
    raise CheckpointError(
        f"expected a model, got {'a zip' if zipped else 'a tar'} archive with "
        f"{shown or 'nothing'}{', ...' if len(models) > _SHOWN else ''}: unpack it with "
        f"{command} and scan FOLDER"
    )


def models_in(names: Sequence[str]) -> list[str]:
    """The names of entries that look like models."""
    return [name for name in names if PurePosixPath(name).suffix.lower() in MODEL_SUFFIXES]


def is_tar(head: bytes) -> bool:
    """Whether the first bytes are those of a tar file, compressed or not."""
    return _is_plain_tar(head) or _is_plain_tar(_unzipped(head))


def _is_plain_tar(head: bytes) -> bool:
    return head[_TAR_AT : _TAR_AT + len(_TAR_MAGIC)] == _TAR_MAGIC


def _unzipped(head: bytes) -> bytes:
    """The beginning of what a gzip file holds."""
    if not head.startswith(_GZIP_MAGIC):
        return b""
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(head, _BEGINNING)
    except zlib.error:
        return b""


def _tar_names(path: Path, head: bytes) -> list[str]:
    """Members of a tar file; of a compressed one those that its beginning shows."""
    stream = path.open("rb") if _is_plain_tar(head) else io.BytesIO(_unzipped(head))
    names: list[str] = []
    # A damaged or cut archive shows what comes before.
    with (
        stream,
        suppress(tarfile.TarError, OSError, ValueError, EOFError),
        tarfile.open(fileobj=stream, mode="r:") as archive,
    ):
        names += (member.name for member in islice(archive, _MOST))
    return names
