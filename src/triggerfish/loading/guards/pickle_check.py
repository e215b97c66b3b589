"""Reads a pickle without obeying it: which names it asks for, which storages it declares.

``torch.load(weights_only=True)`` is the lock; this is the door before it. The rules are narrower
than PyTorch's own and do not change with its version: a pickle passes when every operation is one
that tensors need, every name is one of a short list of inert constructors, and every storage fits
into the bytes that the file really has.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from typing import BinaryIO

from triggerfish.errors import CheckpointError, DangerousFileError, one_line
from triggerfish.loading.guards.pickle_scan import scan_pickle

_SHOWN = 5

# The operations of torch._weights_only_unpickler, and no others.
_OPERATION_NAMES = """
    GLOBAL NEWOBJ REDUCE BUILD PROTO STOP MARK BINPERSID NONE NEWFALSE NEWTRUE APPEND APPENDS
    SETITEM SETITEMS TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_TUPLE EMPTY_LIST EMPTY_DICT EMPTY_SET BININT
    BININT1 BININT2 BINFLOAT LONG1 BINUNICODE SHORT_BINSTRING BINGET LONG_BINGET BINPUT LONG_BINPUT
"""
_DTYPE_NAMES = """
    float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 bool complex64 complex128
"""
_OPERATIONS = frozenset(_OPERATION_NAMES.split())
_DTYPES = frozenset(_DTYPE_NAMES.split())
_STORAGES = {
    **dict.fromkeys(("DoubleStorage", "LongStorage"), 8),
    **dict.fromkeys(("FloatStorage", "IntStorage"), 4),
    **dict.fromkeys(("HalfStorage", "BFloat16Storage", "ShortStorage"), 2),
    **dict.fromkeys(("ByteStorage", "CharStorage", "BoolStorage", "UntypedStorage"), 1),
}
_NUMPY = frozenset(
    f"{module}.{name}"
    for module in ("numpy.core.multiarray", "numpy._core.multiarray")
    for name in ("_reconstruct", "scalar")
) | {"numpy.ndarray", "numpy.dtype"}
_ALLOWED = (
    frozenset(
        {
            "collections.OrderedDict",
            "collections.defaultdict",
            "argparse.Namespace",
            "torch.nn.parameter.Parameter",
            "torch._utils._rebuild_tensor",
            "torch._utils._rebuild_tensor_v2",
            "torch._utils._rebuild_parameter",
            "torch.Size",
            "torch.device",
            "_codecs.encode",
            "__builtin__.set",
            "builtins.set",
            "builtins.dict",
            "builtins.list",
            "builtins.int",
        }
    )
    | _NUMPY
    | frozenset(f"torch.{name}" for name in _DTYPES)
    | frozenset(f"torch.{name}" for name in _STORAGES)
    | frozenset({"torch.storage.UntypedStorage"})
)


class _Inert:
    """Stands for whatever the pickle builds; accepts everything, does nothing."""

    name = ""

    def __new__(cls, *_arguments: object) -> _Inert:
        return object.__new__(cls)

    def __init__(self, *_arguments: object) -> None:
        pass

    def __setstate__(self, _state: object) -> None:
        pass

    def __setitem__(self, _key: object, _value: object) -> None:
        pass

    def append(self, _item: object) -> None:
        """Accept a list item."""

    def extend(self, _items: object) -> None:
        """Accept list items."""


class _InertUnpickler(pickle.Unpickler):
    def __init__(self, stream: BinaryIO, check_storage: Callable[[str, int], None]) -> None:
        super().__init__(stream, encoding="latin1")
        self._check_storage = check_storage

    def find_class(self, module: str, name: str) -> type[_Inert]:
        return type("_Inert", (_Inert,), {"name": name})

    def persistent_load(self, identifier: object) -> object:
        match identifier:
            case ("storage", storage, str(key), _location, int(numel), *_rest) if numel >= 0:
                item_size = _STORAGES.get(getattr(storage, "name", ""), 0)
                if item_size:
                    self._check_storage(key, numel * item_size)
                    return _Inert()
        raise CheckpointError("expected tensor storages, got another kind of persistent object")


def is_weights_name(name: str) -> bool:
    """Whether ``module.name`` is an inert constructor that state dicts need."""
    return name in _ALLOWED


def is_script_name(name: str) -> bool:
    """Whether ``module.name`` may occur in TorchScript, whose reader builds no Python class."""
    return name in _ALLOWED or name.startswith(("__torch__.", "torch.jit._pickle."))


def check_pickle(
    stream: BinaryIO,
    check_storage: Callable[[str, int], None],
    is_allowed: Callable[[str], bool] = is_weights_name,
) -> None:
    """Check one pickle; leaves ``stream`` after it.

    ``check_storage(key, nbytes)`` is called for every storage that the pickle declares, and raises
    when the file does not hold that many bytes. Raises `CheckpointError`, and `DangerousFileError`
    with every name beyond weights; runs nothing.
    """
    start = stream.tell()
    scan = scan_pickle(stream)
    names = tuple(name for name in scan.names if not is_allowed(name))
    if names:
        raise code_in_pickle(names)
    if scan.broken:
        raise CheckpointError(f"expected a whole pickle, got a broken one: {scan.broken}")
    foreign = next((name for name in scan.operations if name not in _OPERATIONS), None)
    if foreign:
        raise CheckpointError(
            f"expected weights, got a pickle with the operation {foreign}: "
            "save the state dict with torch.save or safetensors"
        )
    if scan.largest_memo > scan.length:
        raise CheckpointError("expected a pickle with a compact memo, got a sparse one")
    end = stream.tell()
    stream.seek(start)
    _build_inert(io.BytesIO(stream.read(end - start)), check_storage)


def code_in_pickle(names: tuple[str, ...]) -> DangerousFileError:
    """The error for a pickle that imports ``names`` beyond what weights need."""
    shown = f"{', '.join(names[:_SHOWN])}{', ...' if len(names) > _SHOWN else ''}"
    return DangerousFileError(
        f"expected a state dict, got a pickled object that names {shown}: loading it would run "
        "code; save model.state_dict() instead, or see --unsafe-pickle",
        names,
    )


def _build_inert(stream: BinaryIO, check_storage: Callable[[str, int], None]) -> None:
    try:
        _InertUnpickler(stream, check_storage).load()
    except CheckpointError:
        raise
    except Exception as error:  # a hostile pickle can raise anything from the unpickler
        raise CheckpointError(
            f"expected a whole pickle, got a broken one: {one_line(error)}"
        ) from error
