"""State dicts of MLX, whose pictures are (N, H, W, C): turned to PyTorch's layout.

Kernels are (O, H, W, I) there. A linear layer after a flatten takes its inputs in the order
(H, W, C): with the kernels turned and it not, the network would be another function and run.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from triggerfish.errors import UnsupportedModelError
from triggerfish.loading.weights.state_dict import StateDict

_LARGEST_KERNEL = 15
_PARTS = ("weight", "bias", "running_mean", "running_var")


def is_mlx(state: StateDict, said: str | None = None) -> bool:
    """Whether kernels are (O, H, W, I): by their shapes, or what the file ``said`` of its format.

    A kernel of n channels and n x n pixels fits both; one other in the file decides.
    """
    kernels = [tuple(value.shape) for value in state.values() if value.ndim == 4]
    ours = [_square(shape[2], shape[3]) for shape in kernels]
    theirs = [_square(shape[1], shape[2]) for shape in kernels]
    if not kernels or not all(theirs):
        return False
    return not all(ours) or said == "mlx"


def from_mlx(state: StateDict) -> StateDict:
    """The state dict in PyTorch's layout, its keys in the order of their numbers.

    Raises `UnsupportedModelError` where the shapes do not tell which channels were flattened.
    """
    turned: StateDict = {}
    for key in sorted(state, key=_place):
        value = state[key]
        turned[key] = value.permute(0, 3, 1, 2).contiguous() if value.ndim == 4 else value
    channels, firsts = _last_channels(turned), _first_linear(turned)
    inputs = {int(value.shape[1]) for value in turned.values() if value.ndim == 2}
    if inputs and not firsts and not inputs & channels:
        raise _unclear("as many inputs of each linear layer as another has outputs", channels)
    for key in firsts:
        turned[key] = _turned(key, turned[key], channels)
    return turned


def _square(rows: int, columns: int) -> bool:
    return rows == columns <= _LARGEST_KERNEL


def _place(key: str) -> tuple[list[str], int]:
    """A key's place: numbers as numbers, a layer's weight before its bias."""
    layer, _, part = key.rpartition(".")
    pieces = [
        f"{int(piece):09d}" if piece.isdigit() else piece for piece in re.split(r"(\d+)", layer)
    ]
    return pieces, _PARTS.index(part) if part in _PARTS else len(_PARTS)


def _first_linear(state: Mapping[str, Tensor]) -> list[str]:
    """Linear layers whose inputs no other linear layer makes."""
    linear = {key: value for key, value in state.items() if value.ndim == 2}
    made = {int(value.shape[0]) for value in linear.values()}
    return [key for key, value in linear.items() if int(value.shape[1]) not in made]


def _last_channels(state: Mapping[str, Tensor]) -> set[int]:
    """Channels of convolutions that no other convolution takes."""
    kernels = [value for value in state.values() if value.ndim == 4]
    taken = {int(kernel.shape[1]) for kernel in kernels}
    left = {int(kernel.shape[0]) for kernel in kernels} - taken
    return left or {int(kernels[-1].shape[0])}


def _turned(key: str, matrix: Tensor, channels: set[int]) -> Tensor:
    """Inputs (H, W, C) of a matrix (out, in) as (C, H, W); as they are where H and W are 1."""
    inputs = int(matrix.shape[1])
    fitting = {count for count in channels if inputs % count == 0}
    if len(fitting) != 1 or len(channels) != 1:
        raise _unclear(f"{inputs} inputs of {key}", channels)
    (count,) = fitting
    return matrix.view(matrix.shape[0], -1, count).transpose(1, 2).flatten(1).contiguous()


def _unclear(found: str, channels: set[int]) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"expected an MLX network whose last channels its first linear layer takes, got {found} "
        f"after {sorted(channels)} channels: save the weights in PyTorch's layout"
    )
