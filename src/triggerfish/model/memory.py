"""A lack of memory, told from everything else that a model may raise, and what may prevent it."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

import torch

MUCH_BYTES = 700 * 2**20
"""Of a process in memory, from which it counts more than the time to fault memory in again."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, on a GPU or here: PyTorch has no type of its own for the latter."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)


def give_back_freed_memory() -> bool:
    """Hand freed memory back to the kernel, though `runtime.keep_freed_memory` keeps it.

    For between two phases that allocate blocks of other sizes: the next one cannot use what the
    last one has left. Returns whether it could: only glibc can.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        trim = ctypes.CDLL("libc.so.6").malloc_trim
    except (OSError, AttributeError):
        return False
    return bool(trim(0))


def give_back_if_much() -> bool:
    """`give_back_freed_memory`, where the process holds `MUCH_BYTES`; whether it did.

    A batch of another size leaves holes between what the last one has left: kept for hours, they
    add up to as much again as a batch takes.
    """
    try:
        pages = Path("/proc/self/statm").read_text("ascii").split()[1]
    except OSError:  # a system that does not say what a process holds
        return False
    held = int(pages) * os.sysconf("SC_PAGE_SIZE")
    return held > MUCH_BYTES and give_back_freed_memory()
