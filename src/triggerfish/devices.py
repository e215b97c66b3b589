"""Which processor a model runs on, checked before anything else is done."""

from __future__ import annotations

import torch

from triggerfish.errors import one_line

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
