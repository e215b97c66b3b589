"""What a process runs on: the processor of a model, and a setting that changes speed alone."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from triggerfish.errors import one_line

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


def use_one_thread() -> None:
    """One thread unless OMP_NUM_THREADS says otherwise.

    The networks are small: a second thread gains little, and where another process holds one of
    the cores it makes the same scan much slower (docs/performance.md).
    """
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)


@contextmanager
def one_thread() -> Iterator[None]:
    """`use_one_thread` meanwhile, and as many as before then."""
    before = torch.get_num_threads()
    use_one_thread()
    try:
        yield
    finally:
        torch.set_num_threads(before)


AUTO = "auto"


def choose_device(name: str) -> str:
    """The device that PyTorch is to use; ``auto`` is the GPU with the most free memory, if any.

    Raises:
        ValueError: no such device, or none that works here.
    """
    if name == AUTO:
        return freest_gpu() if torch.cuda.is_available() else "cpu"
    kind, _, number = name.partition(":")
    if kind == "cuda" and (not number or number.isdecimal()):
        _check_cuda(name, int(number or 0))
    try:
        # A whole round trip: the meta device takes tensors and gives nothing back.
        torch.ones(1, device=name).sum().item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(
            "expected a device that works here (cpu, cuda, cuda:N, mps or auto), "
            f"got {name} ({one_line(error)})"
        ) from error
    return name


def freest_gpu() -> str:
    """The CUDA device with the most free memory."""
    free = [torch.cuda.mem_get_info(index)[0] for index in range(torch.cuda.device_count())]
    return f"cuda:{free.index(max(free))}"


def _check_cuda(name: str, number: int) -> None:
    if torch.version.cuda is None and torch.version.hip is None:
        raise ValueError(
            f"expected a device that works here, got {name} with a PyTorch built without CUDA: "
            "use --device cpu or auto, or install PyTorch with CUDA"
        )
    count = torch.cuda.device_count()
    if number >= count:
        raise ValueError(
            f"expected a device that works here, got {name} and {count} CUDA devices: "
            "use --device auto"
        )
