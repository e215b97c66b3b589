"""The constructors of data that pickles name, and what our own machine makes instead."""

from __future__ import annotations

from collections.abc import Callable

import torch

from triggerfish.errors import CheckpointError
from triggerfish.loading.guards.pickle_data import (
    STORAGE_TYPES,
    Array,
    Dtype,
    Scale,
    Storage,
    StoredTensor,
    tensor_type,
)
from triggerfish.loading.guards.pickle_machine import Builder, Machine, Name, Record

_NUMPY_CORES = ("numpy", "numpy.core.multiarray", "numpy._core.multiarray")
_NUMPY_NUMERIC = ("numpy.core.numeric", "numpy._core.numeric")


def _dictionary(*arguments: object) -> dict[object, object]:
    """An ordered, counting or other dictionary; what makes missing values is dropped."""
    given = next((a for a in arguments if isinstance(a, (dict, list, tuple))), {})
    return dict(given)


def _list(*arguments: object) -> list[object]:
    given = arguments[0] if arguments else ()
    if not isinstance(given, (list, tuple, set, frozenset)):
        raise TypeError("a list of something else")
    return list(given)


def _encoded(text: object = "", encoding: object = "latin1") -> bytes:
    """Bytes as protocol 2 has them: a text and the name of its encoding."""
    if isinstance(text, (bytes, bytearray)):
        return bytes(text)
    if not isinstance(text, str) or str(encoding).replace("-", "") not in ("latin1", "utf8"):
        raise TypeError("bytes of something else than a text")
    return text.encode(str(encoding))


def _tensor(
    storage: object,
    offset: object,
    size: object,
    stride: object,
    *_: object,
    dtype: torch.dtype | None = None,
    quantized: Scale | None = None,
) -> StoredTensor:
    if not isinstance(storage, Storage):
        raise CheckpointError("expected a storage in a tensor, got something else")
    return StoredTensor(storage, offset, size, stride, dtype, quantized)


def _tensor_of_type(*arguments: object) -> StoredTensor:
    """``_rebuild_tensor_v3``: the type stands beside a storage of bytes."""
    kind = arguments[6]
    dtype = tensor_type(kind.full) if isinstance(kind, Name) else None
    if dtype is None:
        raise CheckpointError("expected a tensor of a known type, got another")
    return _tensor(*arguments[:4], dtype=dtype)


def _quantized(
    storage: object, offset: object, size: object, stride: object, how: object, *_: object
) -> StoredTensor:
    match how:
        case (Name("torch.per_tensor_affine"), scale, zero):
            scheme = Scale(scale, zero)
        case (Name("torch.per_channel_affine"), scale, zero, int(axis)):
            scheme = Scale(scale, zero, axis)
        case _:
            raise CheckpointError(
                "expected a tensor quantized per tensor or per channel, got another scheme: "
                "save it dequantized"
            )
    return _tensor(storage, offset, size, stride, quantized=scheme)


def _first(*arguments: object) -> object:
    """A parameter, or a tensor of another device: the tensor inside."""
    return arguments[0]


def _array_of_buffer(
    data: object, dtype: object, shape: object, order: object = "C", *_: object
) -> Array:
    return Array(shape, dtype, data, fortran=order == "F")


def _scalar(dtype: object, data: object = b"", *_: object) -> Array:
    return Array((), dtype, data)


BUILDERS: dict[str, Builder] = {
    **dict.fromkeys(
        ("collections.OrderedDict", "collections.Counter", "builtins.dict", "__builtin__.dict"),
        _dictionary,
    ),
    "collections.defaultdict": _dictionary,
    **{
        f"{module}.{name}": _list
        for module in ("builtins", "__builtin__")
        for name in ("list", "set", "frozenset")
    },
    "collections.deque": _list,
    "builtins.tuple": lambda *a: tuple(_list(*a)),
    "__builtin__.tuple": lambda *a: tuple(_list(*a)),
    "torch.Size": lambda *a: tuple(_list(*a)),
    "_codecs.encode": _encoded,
    **{f"{module}.{name}": _encoded for module in ("builtins", "__builtin__")
       for name in ("bytes", "bytearray")},
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor_of_type,
    "torch._utils._rebuild_qtensor": _quantized,
    "torch._utils._rebuild_parameter": _first,
    "torch._utils._rebuild_parameter_with_state": _first,
    "torch._utils._rebuild_device_tensor_from_cpu_tensor": _first,
    "torch._utils._rebuild_device_tensor_from_numpy": _first,
    "torch._utils._rebuild_xla_tensor": _first,
    "torch.nn.parameter.Parameter": _first,
    "torch.nn.parameter.Buffer": _first,
    "numpy.ndarray": lambda *_: Array(),
    "numpy.dtype": Dtype,
    **{f"{module}._reconstruct": lambda *_: Array() for module in _NUMPY_CORES},
    **{f"{module}.scalar": _scalar for module in _NUMPY_CORES},
    **{f"{module}._frombuffer": _array_of_buffer for module in _NUMPY_NUMERIC},
}  # fmt: skip


def builders_for(
    machine: Callable[[], Machine], load_bytes: Callable[[bytes], object]
) -> dict[str, Builder]:
    """`BUILDERS`, and those that need the machine or the reader of files inside pickles.

    ``load_bytes`` reads what ``torch.save`` has written into bytes.
    """

    def of_type(function: object, _type: object, arguments: object, *_: object) -> object:
        return machine().call(function, arguments)

    def loaded(data: object) -> object:
        if not isinstance(data, bytes):
            raise CheckpointError(
                "expected bytes of a tensor inside the pickle, got something else"
            )
        return load_bytes(data)

    return {
        **BUILDERS,
        "torch._tensor._rebuild_from_type_v2": of_type,
        "torch._tensor._rebuild_from_type": of_type,
        "torch.storage._load_from_bytes": loaded,
        "copyreg._reconstructor": _reconstructed,
        "copy_reg._reconstructor": _reconstructed,
    }


def _reconstructed(kind: object, *rest: object) -> object:
    """An object as protocols 0 and 1 make it: of a class, a base, and what the base is made of."""
    if not isinstance(kind, Name):
        raise TypeError("an object without a class")
    return Record(kind.full, rest[1:])


def stored(identifier: object, find: Callable[[str, int, torch.dtype], Storage]) -> object:
    """What a persistent identifier of ``torch.save`` stands for: a storage, or a class.

    ``find(key, count, dtype)`` looks the storage up. Raises `CheckpointError` for others.
    """
    match identifier:
        case ("storage", Name(kind), str(key), _, int(count), *view) if count >= 0:
            dtype = STORAGE_TYPES.get(kind.rpartition(".")[2].removesuffix("Storage"))
            if dtype is not None:
                found = find(key, count, dtype)
                return _view(found, view[0]) if view and view[0] is not None else found
        case ("module", Name() as name, *_):
            return name
    raise CheckpointError("expected tensor storages, got another kind of persistent object")


def _view(storage: Storage, view: object) -> Storage:
    """A part of a storage, as files from before 2018 share them."""
    match view:
        case (_, int(start), int(count)) if start >= 0 and 0 <= count <= storage.count - start:
            return Storage(storage.load, storage.dtype, count, start)
    raise CheckpointError("expected a view inside its storage, got another")
