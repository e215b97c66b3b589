"""PyTorch's zip archives: checked before PyTorch's own reader sees them."""

from __future__ import annotations

import zipfile
from pathlib import Path

from triggerfish.errors import CheckpointError

MAX_COMPRESSION = 20
MAX_ENTRIES = 20_000


def entry_names(path: Path, head: bytes) -> list[str]:
    """Names in a zip file, for recognising it; none when it is not one or is damaged."""
    if not head.startswith(b"PK"):
        return []
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        return []


def open_archive(path: Path) -> zipfile.ZipFile:
    """Open a zip file and check its table of contents; raises `CheckpointError`.

    Refused: overlapping or absurdly compressed entries (bombs), duplicates, encrypted entries, and
    names that leave the archive.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise CheckpointError(f"the zip archive is damaged ({error}): fetch it again") from error
    try:
        _check_entries(archive.infolist(), path.stat().st_size)
    except CheckpointError:
        archive.close()
        raise
    return archive


def read_entry(archive: zipfile.ZipFile, name: str, limit: int = 256 << 20) -> bytes:
    """One entry's bytes, its checksum verified; raises `CheckpointError` above ``limit`` bytes."""
    try:
        info = archive.getinfo(name)
    except KeyError as error:
        raise CheckpointError(f"expected an entry {name} in the archive, got none") from error
    if info.file_size > limit:
        raise CheckpointError(f"expected {name} below {limit} bytes, got {info.file_size}")
    try:
        with archive.open(info) as stream:
            data = stream.read(limit + 1)  # the size in the table of contents may be a lie
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"expected a whole entry {name} in the archive, got: {error}"
        ) from error
    except Exception as error:  # zlib.error, lzma.LZMAError, NotImplementedError
        raise CheckpointError(f"expected a readable entry {name}, got: {error}") from error
    if len(data) > limit:
        raise CheckpointError(f"expected {name} below {limit} bytes, got more")
    return data


def archive_root(archive: zipfile.ZipFile, marker: str) -> str | None:
    """The folder (with its slash) of the entry whose path ends in ``marker``; None without one."""
    for name in archive.namelist():
        if name == marker or name.endswith("/" + marker):
            return name[: -len(marker)]
    return None


def check_storage(archive: zipfile.ZipFile, folder: str, key: str, nbytes: int) -> None:
    """Raise unless an archive's ``folder`` (with its slash) holds the bytes of a storage.

    ``nbytes`` is what the pickle declares: PyTorch trusts it, and would read beyond the end.
    """
    try:
        held = archive.getinfo(f"{folder}{key}").file_size
    except KeyError:
        held = -1  # an empty storage has an entry, too
    if held < nbytes:
        raise CheckpointError(
            f"expected storage {key} to hold {nbytes} bytes, got {max(held, 0)}: "
            "the file is damaged"
        )


def _check_entries(entries: list[zipfile.ZipInfo], file_size: int) -> None:
    if len(entries) > MAX_ENTRIES:
        raise CheckpointError(f"expected at most {MAX_ENTRIES} entries, got {len(entries)}")
    names = [entry.filename for entry in entries]
    if len(set(names)) != len(names):
        raise CheckpointError("expected distinct names in the archive, got duplicates")
    for entry in entries:
        parts = entry.filename.replace("\\", "/").split("/")
        if ".." in parts or entry.filename.startswith(("/", "\\")) or ":" in parts[0]:
            raise CheckpointError(
                f"expected names inside the archive, got {entry.filename!r}: path traversal"
            )
        if entry.flag_bits & 1:
            raise CheckpointError(
                f"expected plain entries, got an encrypted one: {entry.filename!r}"
            )
    if sum(entry.compress_size for entry in entries) > file_size:
        raise CheckpointError("expected separate entries, got overlapping ones: a zip bomb")
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > MAX_COMPRESSION * file_size:
        raise CheckpointError(
            f"expected at most {MAX_COMPRESSION} times the file's size unpacked, "
            f"got {unpacked / file_size:.0f} times: a zip bomb"
        )
