"""Plain pickles of NumPy arrays, read without NumPy's or PyTorch's own unpickling.

Every name in the pickle becomes a stand-in that keeps its arguments; only the raw bytes of arrays
are turned into tensors, once their sizes are known to be right.
"""

from __future__ import annotations

import io
import math
import pickle
from collections import OrderedDict
from typing import Any

import numpy as np
import torch
from torch import Tensor

from triggerfish.errors import CheckpointError
from triggerfish.loading.guards.pickle_check import code_in_pickle, is_weights_name
from triggerfish.loading.guards.pickle_scan import scan_pickle

MAX_DEPTH = 6
MAX_ARRAYS = 20_000
_TYPES = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "b1")
_MODULES = ("numpy", "numpy.core.multiarray", "numpy._core.multiarray")
_BUFFERS = ("numpy.core.numeric", "numpy._core.numeric")


class _Dtype:
    """What is kept of ``numpy.dtype``: its name and byte order."""

    def __init__(self, name: object = "", *_: object) -> None:
        self.name, self.order = str(name), "<"

    def __setstate__(self, state: tuple[object, ...]) -> None:
        self.order = str(state[1])


class _Array:
    """What is kept of an array: shape, type, order of its axes, and raw bytes."""

    def __init__(self, *_: object) -> None:
        self.shape: object = None
        self.dtype: object = None
        self.fortran, self.data = False, b""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, self.shape, self.dtype, self.fortran, self.data = state

    def tensor(self) -> Tensor:
        """The array; raises `CheckpointError` when its parts do not fit each other."""
        dtype, shape, data = self.dtype, self.shape, self.data
        name = dtype.name.lstrip("<>|=") if isinstance(dtype, _Dtype) else ""
        if name not in _TYPES or not isinstance(shape, tuple) or not isinstance(data, bytes):
            raise CheckpointError("expected arrays of numbers, got another kind of NumPy object")
        sizes = tuple(int(n) for n in shape)
        order = ">" if isinstance(dtype, _Dtype) and dtype.order == ">" else "<"
        kind = np.dtype(order + name)
        if min(sizes, default=0) < 0 or math.prod(sizes) * kind.itemsize != len(data):
            raise CheckpointError(f"expected {sizes} numbers in an array, got {len(data)} bytes")
        values = np.frombuffer(data, kind).reshape(sizes, order="F" if self.fortran else "C")
        return torch.from_numpy(np.array(values, kind.newbyteorder("="), order="C"))


class _FromBuffer(_Array):
    """An array as protocol 5 has it."""

    def __init__(self, data: object, dtype: object, shape: object, order: object = "C") -> None:
        raw = bytes(data) if isinstance(data, (bytes, bytearray)) else b""
        self.__setstate__((1, shape, dtype, order == "F", raw))


class _Scalar(_FromBuffer):
    """A number as NumPy has it."""

    def __init__(self, dtype: object, data: object = b"") -> None:
        super().__init__(data, dtype, ())


class _Encoded:
    """Bytes as protocol 2 has them: a text and the name of its encoding."""

    def __new__(cls, text: str, _encoding: str = "latin1") -> bytes:  # type: ignore[misc]
        return text.encode("latin1")

    def __setstate__(self, state: object) -> None:
        raise CheckpointError("expected bytes, got an object with a state")


class _Empty(_Encoded):
    """No bytes, as protocol 2 has them."""

    def __new__(cls) -> bytes:  # type: ignore[misc]
        return b""


# Classes, each with __setstate__: a pickle could set the attributes of a function, for good.
_STAND_INS: dict[str, type] = {
    "collections.OrderedDict": OrderedDict,
    "_codecs.encode": _Encoded,
    "__builtin__.bytes": _Empty,
    "numpy.ndarray": _Array,
    "numpy.dtype": _Dtype,
    **{f"{module}._reconstruct": _Array for module in _MODULES},
    **{f"{module}.scalar": _Scalar for module in _MODULES},
    **{f"{module}._frombuffer": _FromBuffer for module in _BUFFERS},
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> type:
        stand_in = _STAND_INS.get(f"{module}.{name}")
        if stand_in is None:
            raise code_in_pickle((f"{module}.{name}",))
        return stand_in


def load_numpy_pickle(data: bytes) -> object:
    """Dictionaries and lists of tensors from a plain pickle of arrays.

    Raises `DangerousFileError` with all names beyond arrays, and `CheckpointError` for damage.
    """
    scan = scan_pickle(io.BytesIO(data))
    names = [name for name in scan.names if name not in _STAND_INS]
    if code := tuple(name for name in names if not is_weights_name(name)):
        raise code_in_pickle(code)
    if names:
        raise CheckpointError(
            f"expected a plain pickle of NumPy arrays, got {names[0]}: save the state dict with "
            "torch.save or safetensors"
        )
    if scan.broken or scan.largest_memo > scan.length:
        raise CheckpointError(
            f"expected a whole pickle, got a broken one: {scan.broken or 'a sparse memo'}"
        )
    try:
        loaded = _Unpickler(io.BytesIO(data), encoding="latin1").load()
        return _Converter(len(data)).convert(loaded)
    except CheckpointError:
        raise
    except Exception as error:  # a hostile pickle can raise anything from the unpickler
        line = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"expected a whole pickle, got a broken one: {line[:200]}") from error


class _Converter:
    """Arrays to tensors in dictionaries and lists, as many as the file can hold."""

    def __init__(self, size: int) -> None:
        self._bytes, self._arrays = size, MAX_ARRAYS

    def convert(self, value: object, depth: int = 0) -> object:
        """The value with tensors in it."""
        self._arrays -= 1
        if depth > MAX_DEPTH or self._arrays < 0:
            raise CheckpointError("expected a dictionary of arrays, got a deeper or larger object")
        if isinstance(value, _Array):
            self._bytes -= len(value.data)
            if self._bytes < 0:
                raise CheckpointError("expected arrays that fit the file, got more of them")
            return value.tensor()
        if isinstance(value, dict):
            return {key: self.convert(item, depth + 1) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.convert(item, depth + 1) for item in value]
        return value
