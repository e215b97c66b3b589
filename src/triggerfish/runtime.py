"""Settings of the process that change speed and nothing else."""

from __future__ import annotations

import ctypes
import sys

# malloc.h
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


def keep_freed_memory() -> bool:
    """Let glibc reuse large freed blocks instead of handing them back to the kernel.

    Every activation of a network is a large block that is freed and wanted again a moment later;
    by default each of them is mapped, faulted in page by page and unmapped. Training the published
    network on one core takes 1.8 times as long that way (benchmarks/speed.py measures it).
    Returns whether it took effect: not on macOS, Windows or musl.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # another C library: nothing to set
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, 1 << 30) and mallopt(_M_TRIM_THRESHOLD, (1 << 31) - 1))
