"""PyTorch's zip archives: checked before PyTorch's own reader sees them."""

from __future__ import annotations

import zipfile
from pathlib import Path

from triggerfish.errors import CheckpointError

MAX_COMPRESSION = 20
MAX_ENTRIES = 100_000


def open_archive(path: Path) -> zipfile.ZipFile:
    """Open a zip file and check its table of contents; raises `CheckpointError`.

    Refused: overlapping or absurdly compressed entries (bombs), duplicates, encrypted entries, and
    names that leave the archive.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise CheckpointError(
            f"expected a whole zip archive, got a damaged one ({error}): fetch it again"
        ) from error
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
        if info.file_size > limit:
            raise CheckpointError(f"expected {name} below {limit} bytes, got {info.file_size}")
        with archive.open(info) as stream:
            data = stream.read(limit + 1)
    except (zipfile.BadZipFile, KeyError, OSError, EOFError, ValueError, RuntimeError) as error:
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


def storage_sizes(archive: zipfile.ZipFile, root: str) -> dict[str, int]:
    """Bytes of every storage in the archive, by its key."""
    prefix = f"{root}data/"
    return {
        info.filename[len(prefix) :]: info.file_size
        for info in archive.infolist()
        if info.filename.startswith(prefix)
    }


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
            raise CheckpointError(f"expected plain entries, got an encrypted one: {names[0]!r}")
    if sum(entry.compress_size for entry in entries) > file_size:
        raise CheckpointError("expected separate entries, got overlapping ones: a zip bomb")
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > MAX_COMPRESSION * file_size:
        raise CheckpointError(
            f"expected at most {MAX_COMPRESSION} times the file's size unpacked, "
            f"got {unpacked / file_size:.0f} times: a zip bomb"
        )
