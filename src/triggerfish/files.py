"""Files as every part of the package reads and writes them: one hash, one atomic write."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

from triggerfish.errors import CheckpointError, OutputError, one_line

_BLOCK = 1 << 20


def sha256_of(path: str | Path) -> str:
    """SHA-256 of a file, or of a folder's regular files (names and contents, sorted), in hex.

    Raises:
        CheckpointError: something that is no regular file, or that cannot be read.
    """
    path = Path(path)
    try:
        if not path.is_dir():
            return _file_sha256(path)
        digest = hashlib.sha256()
        for item in sorted(p for p in path.rglob("*") if p.is_file()):
            name = os.fsencode(item.relative_to(path).as_posix())
            digest.update(name + b"\0" + _file_sha256(item).encode() + b"\n")
        return digest.hexdigest()
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: no such file") from error
    except OSError as error:
        raise CheckpointError(
            f"expected a readable file, got {one_line(error)} at {path}: "
            "check the path and its permissions"
        ) from error


def _file_sha256(path: Path) -> str:
    # A named pipe is never opened: that may block for ever.
    if not stat.S_ISREG(path.stat().st_mode):
        raise CheckpointError(f"expected a regular file, got something else at {path}")
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, then move it there in one step.

    A killed process leaves the old file as it was.

    Raises:
        OutputError: the file cannot be written.
    """
    partial = path.with_name(f".{path.name[:100]}.{os.getpid()}.partial")
    try:
        write(partial)
        partial.replace(path)
    except OSError as error:
        raise refused(path, error) from error
    finally:
        _remove(partial)


def write_file(path: Path, content: bytes) -> None:
    """Write a whole file or nothing.

    Raises:
        OutputError: the file cannot be written.
    """
    write_atomically(path, lambda partial: partial.write_bytes(content))


def ensure_writable(folder: Path) -> None:
    """Create ``folder`` and try a file in it, so that a long scan does not end in a refusal.

    Raises:
        OutputError: the folder cannot be created or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise refused(folder, error) from error


def refused(path: Path, error: OSError) -> OutputError:
    """The error to raise when ``path`` cannot be written."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    fix = "free some space there or choose another --out" if full else "choose another --out"
    return OutputError(f"expected a writable {path}, got '{one_line(error)}': {fix}")


def _remove(partial: Path) -> None:
    try:
        partial.unlink(missing_ok=True)
    except OSError:
        return  # a folder that turned read-only: the error that is raised says so
