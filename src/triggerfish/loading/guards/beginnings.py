"""Files as they come: is it a file that can be read, what does it begin with."""

from __future__ import annotations

import stat
from pathlib import Path

from triggerfish.errors import CheckpointError

HEAD_BYTES = 4096
_LFS_MAGIC = b"version https://git-lfs.github.com/spec"


def read_head(path: Path, size: int = HEAD_BYTES) -> bytes:
    """The first bytes of a regular, readable, non-empty file.

    Raises `CheckpointError` for everything else; a FIFO or a device is never opened, since reading
    one may block for ever.
    """
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise CheckpointError(f"{path} is {_kind(mode)}: give a regular file")
        with path.open("rb") as stream:
            head = stream.read(size)
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be read ({error.strerror or error}): check the path and its permissions"
        ) from error
    if not head:
        raise CheckpointError(f"{path} is an empty file: fetch it again")
    return head


def refuse_pointers_and_text(path: Path, head: bytes) -> None:
    """Raise `CheckpointError` for what often lies about under a model's name."""
    if head.startswith(_LFS_MAGIC):
        raise CheckpointError(f"{path} is a Git LFS pointer: run `git lfs pull` to fetch the model")
    if _is_text(head):
        raise CheckpointError(f"{path} is a text file: a download may have saved an error page")


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:
            return False
        text = head[: error.start].decode("utf-8")
    return all(character.isprintable() or character in "\r\n\t\f" for character in text)


def _kind(mode: int) -> str:
    tests = {
        "a folder without a model in it": stat.S_ISDIR,
        "a named pipe": stat.S_ISFIFO,
        "a device": lambda m: stat.S_ISCHR(m) or stat.S_ISBLK(m),
        "a socket": stat.S_ISSOCK,
    }
    return next((name for name, test in tests.items() if test(mode)), "a special file")
