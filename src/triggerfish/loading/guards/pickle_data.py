"""What tensors, storages and NumPy arrays are made of in a pickle, read as plain data.

Nothing of PyTorch's or NumPy's own unpickling runs: sizes are checked against the bytes that the
file really has before a tensor is made of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from triggerfish.errors import CheckpointError

# Bytes of a storage, as a tensor of uint8; raises `CheckpointError` where the file has fewer.
LoadBytes = Callable[[], Tensor]

STORAGE_TYPES = {
    "Double": torch.float64,
    "Float": torch.float32,
    "Half": torch.float16,
    "BFloat16": torch.bfloat16,
    "Long": torch.int64,
    "Int": torch.int32,
    "Short": torch.int16,
    "Char": torch.int8,
    "Byte": torch.uint8,
    "Bool": torch.bool,
    "ComplexFloat": torch.complex64,
    "ComplexDouble": torch.complex128,
    "Untyped": torch.uint8,
    "QInt8": torch.int8,
    "QUInt8": torch.uint8,
    "QInt32": torch.int32,
}
"""The numbers in a storage, by the name of PyTorch's class without its ``Storage``."""
_ARRAY_TYPES = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "b1")


def tensor_type(name: str) -> torch.dtype | None:
    """What ``torch.NAME`` is where it is the type of a tensor's numbers."""
    found = getattr(torch, name.removeprefix("torch."), None) if name.count(".") == 1 else None
    return found if isinstance(found, torch.dtype) else None


@dataclass(eq=False)
class Storage:
    """``count`` numbers of type ``dtype`` somewhere in the file, from ``start`` on."""

    load: LoadBytes
    dtype: torch.dtype
    count: int
    start: int = 0
    _bytes: Tensor | None = field(default=None, repr=False)

    def numbers(self, dtype: torch.dtype | None) -> Tensor:
        """All of them (n,), read as another type where one is given."""
        if self._bytes is None:
            self._bytes = self.load()
        first = self.start * self.dtype.itemsize
        held = self._bytes[first : first + self.count * self.dtype.itemsize]
        kind = dtype or self.dtype
        return held[: len(held) - len(held) % kind.itemsize].view(kind)

    def build(self, _state: object) -> None:
        """A storage has no state."""


@dataclass(frozen=True)
class Scale:
    """How whole numbers become weights: ``(number - zero) * scale``, along ``axis`` or for all."""

    scale: object
    zero: object
    axis: int | None = None


@dataclass(eq=False)
class StoredTensor:
    """A tensor as a pickle describes it; its numbers are read when they are asked for."""

    storage: Storage
    offset: object
    size: object
    stride: object
    dtype: torch.dtype | None = None
    quantized: Scale | None = None

    def tensor(self) -> Tensor:
        """The tensor, its sizes checked; raises `CheckpointError` where the file lies about it."""
        sizes, strides = _whole(self.size), _whole(self.stride)
        (offset,) = _whole((self.offset,))
        if len(sizes) != len(strides):
            raise CheckpointError("expected a stride for each size of a tensor, got others")
        numbers = self.storage.numbers(self.dtype)
        needed = offset + 1 + sum((n - 1) * s for n, s in zip(sizes, strides, strict=True))
        count = math.prod(sizes)
        # A stride of 0 reads one number many times: as weights that would be a bomb.
        if count and (needed > len(numbers) or count > len(numbers)):
            raise CheckpointError(
                f"expected a tensor to own its {count} values, got a storage of {len(numbers)}"
            )
        if not count:
            # No bytes vouch for the other sizes, nor for how many there are.
            return torch.empty([min(n, 1 << 20) for n in sizes][:8], dtype=numbers.dtype)
        values = numbers.as_strided(sizes, strides, offset)
        return values if self.quantized is None else _dequantized(values, self.quantized)


class Dtype:
    """What is kept of ``numpy.dtype``: its name and byte order."""

    def __init__(self, name: object = "", *_: object) -> None:
        self.name, self.order = str(name), "<"

    def build(self, state: object) -> None:
        """Take the byte order."""
        if isinstance(state, tuple) and len(state) > 1:
            self.order = str(state[1])


class Array:
    """What is kept of an array: shape, type, order of its axes, and raw bytes."""

    def __init__(
        self,
        shape: object = None,
        dtype: object = None,
        data: object = b"",
        *,
        fortran: bool = False,
    ) -> None:
        self.shape, self._dtype, self._fortran, self._data = shape, dtype, fortran, data

    def build(self, state: object) -> None:
        """Take what `numpy.ndarray.__reduce__` gives as its state."""
        if isinstance(state, tuple) and len(state) == 5:
            _, self.shape, self._dtype, fortran, self._data = state
            self._fortran = bool(fortran)

    @property
    def is_numbers(self) -> bool:
        """Whether it holds numbers, and not objects or texts."""
        dtype = self._dtype
        return isinstance(dtype, Dtype) and dtype.name.lstrip("<>|=") in _ARRAY_TYPES

    def tensor(self) -> Tensor:
        """The array; raises `CheckpointError` when its parts do not fit each other."""
        data = self._data.encode("latin1") if isinstance(self._data, str) else self._data
        if not self.is_numbers or not isinstance(data, (bytes, bytearray)):
            raise CheckpointError("expected arrays of numbers, got another kind of NumPy object")
        assert isinstance(self._dtype, Dtype)
        sizes = _whole(self.shape)
        order = ">" if ">" in (self._dtype.order, self._dtype.name[:1]) else "<"
        kind = np.dtype(order + self._dtype.name.lstrip("<>|="))
        if math.prod(sizes) * kind.itemsize != len(data):
            raise CheckpointError(f"expected {sizes} numbers in an array, got {len(data)} bytes")
        values = np.frombuffer(data, kind).reshape(sizes, order="F" if self._fortran else "C")
        return torch.from_numpy(np.array(values, kind.newbyteorder("="), order="C"))


Leaf = StoredTensor | Array


def _whole(sizes: object) -> tuple[int, ...]:
    """Sizes that are whole numbers from 0 up; raises `CheckpointError` for others."""
    if not isinstance(sizes, (tuple, list)) or len(sizes) > 32:
        raise CheckpointError("expected the sizes of a tensor, got something else")
    if any(not isinstance(n, int) or not 0 <= n < 1 << 62 for n in sizes):
        raise CheckpointError("expected sizes from 0 up, got others")
    return tuple(sizes)


def _dequantized(values: Tensor, how: Scale) -> Tensor:
    scale, zero = (_number(item) for item in (how.scale, how.zero))
    if how.axis is not None:
        if not 0 <= how.axis < values.ndim or scale.numel() != values.shape[how.axis]:
            raise CheckpointError(
                "expected a scale for each channel of a quantized tensor, got others"
            )
        shape = [-1 if axis == how.axis else 1 for axis in range(values.ndim)]
        scale, zero = scale.view(shape), zero.view(shape)
    return ((values.double() - zero) * scale).float()


def _number(value: object) -> Tensor:
    if isinstance(value, (StoredTensor, Array)):
        return value.tensor().double().flatten()
    if isinstance(value, (int, float)):
        return torch.tensor(float(value), dtype=torch.float64)
    raise CheckpointError("expected numbers as the scale of a quantized tensor, got others")


def is_leaf(value: Any) -> bool:  # noqa: ANN401
    """Whether a value becomes a tensor: stored weights, or an array of numbers."""
    return isinstance(value, StoredTensor) or (isinstance(value, Array) and value.is_numbers)
