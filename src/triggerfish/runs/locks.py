"""Locks between processes, on ranges of a file's bytes: the system lets go when a process dies.

Nothing of them stays on disk, and they hold across machines where the file system has locks (NFS
since version 4, Lustre with ``flock``).
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from triggerfish.errors import OutputError, one_line
from triggerfish.files import refused

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

WRITING, FIRST_CLAIM = 0, 16
_RANGE = 1 << 62


class Locks:
    """One file's locks. They do not keep a process from what it has locked itself."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        except OSError as error:
            raise refused(path.parent, error) from error
        self._claimed: set[str] = set()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Wait until nobody else writes."""
        self._lock(WRITING, wait=True)
        try:
            yield
        finally:
            self._unlock(WRITING)

    def claim(self, key: str) -> bool:
        """Try to be the only one at ``key``, until `release` or the end of this process."""
        if key in self._claimed or not self._lock(_place(key), wait=False):
            return False
        self._claimed.add(key)
        return True

    def release(self, key: str) -> None:
        """Let others have ``key``."""
        self._claimed.discard(key)
        self._unlock(_place(key))

    def close(self) -> None:
        """Let go of everything."""
        os.close(self._file)

    def _lock(self, place: int, *, wait: bool) -> bool:
        try:
            if sys.platform == "win32":
                os.lseek(self._file, place, os.SEEK_SET)
                msvcrt.locking(self._file, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
            else:
                how = fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB)
                fcntl.lockf(self._file, how, 1, place)
        except (BlockingIOError, PermissionError):
            return False
        except OSError as error:
            raise OutputError(
                f"expected a file system with locks at {self._path.parent}, got "
                f"'{one_line(error)}': choose another --out"
            ) from error
        return True

    def _unlock(self, place: int) -> None:
        if sys.platform == "win32":
            os.lseek(self._file, place, os.SEEK_SET)
            msvcrt.locking(self._file, msvcrt.LK_UNLCK, 1)
        else:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, place)


def _place(key: str) -> int:
    """The byte that stands for a key; two of 10,000 keys share one with probability 1e-11."""
    number = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big")
    return FIRST_CLAIM + number % (_RANGE - FIRST_CLAIM)
