"""A record -> plain data, as JSON has it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Any

from torch import Tensor

from triggerfish.codec.fields import (
    Field,
    element_types,
    fields_of,
    is_list,
    is_mapping,
    is_record,
    key_of,
    members,
    properties_of,
    tag_of,
    tagged,
    without_marks,
)
from triggerfish.codec.scalars import LARGEST
from triggerfish.codec.tensors import Shelf, is_inline

TAG = "type"
"""The key that tells the records of a union apart."""


def plain_of(record: object, shelf: Shelf | None = None) -> dict[str, Any]:
    """A dataclass instance as plain data; what was not measured is None.

    ``shelf`` gets the tensors that JSON leaves out; the data has their shapes and names.

    Raises:
        TypeError: a field of a type that the codec does not know.
    """
    return _record(record, "", Shelf() if shelf is None else shelf)


def _record(
    record: object, place: str, shelf: Shelf, holder: Field | None = None
) -> dict[str, Any]:
    data: dict[str, Any] = {}
    kind: type = type(record)
    for field in (*fields_of(kind), *properties_of(kind)):
        for key, value in _entries(field, getattr(record, field.name), place, shelf, holder):
            # An inlined record's keys stand among the others: a clash would lose one in silence.
            assert key not in data, f"two fields of {kind.__name__} are written as {key}"
            data[key] = value
    return data


def _entries(
    field: Field, value: object, place: str, shelf: Shelf, holder: Field | None
) -> Iterator[tuple[str, Any]]:
    key = key_of(field, holder)
    if field.inlined:
        yield from _record(value, place, shelf, field).items()
    elif field.stored:
        yield key, _value(value, field.hint, f"{place}{key}", shelf)
    elif isinstance(value, Tensor):
        yield key, {"shape_of_each": list(value.shape[1:])}


def _value(value: Any, hint: Any, place: str, shelf: Shelf) -> Any:  # noqa: ANN401
    """One value of a type; ``place`` is where it stands, for the names of tensors."""
    if value is None or (isinstance(value, (bool, int, str)) and not isinstance(value, Enum)):
        return value
    if isinstance(value, float) and math.isinf(value):
        return math.copysign(LARGEST, value)  # a level that nothing reaches, not a null
    if isinstance(value, Tensor):
        return _tensor(value, place, shelf)
    if is_dataclass(value):
        data = _record(value, f"{place}.", shelf)
        # Only where a field may hold several records must the JSON say which.
        return {TAG: tag_of(type(value)), **data} if tagged(hint) else data
    # By the type, not the value: an empty tuple does not say what it would hold.
    hint = _member(hint, value)
    if is_list(hint):
        kinds = element_types(hint, len(value))
        return [
            _value(item, kind, f"{place}.{number}", shelf)
            for number, (item, kind) in enumerate(zip(value, kinds, strict=True))
        ]
    if is_mapping(hint):
        kind = without_marks(hint.__args__[1])[0]
        return {str(k): _value(v, kind, f"{place}.{k}", shelf) for k, v in value.items()}
    return as_plain(value)


def _member(hint: Any, value: object) -> Any:  # noqa: ANN401
    """Which type of a union a container is of."""
    for member in members(hint):
        if is_list(member) and isinstance(value, (tuple, list)):
            return member
        if is_mapping(member) and isinstance(value, Mapping):
            return member
    return None if is_record(hint) else hint


def _tensor(tensor: Tensor, place: str, shelf: Shelf) -> Any:  # noqa: ANN401
    if is_inline(tensor):
        return as_plain(tensor.tolist())
    return {"shape": list(tensor.shape), "tensor": shelf.put(place, tensor)}


def as_plain(value: object) -> Any:  # noqa: ANN401
    """``value`` as JSON has it: no tuples, and null for NaN and infinity (not measured)."""
    if isinstance(value, Enum):
        return as_plain(value.value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): as_plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_plain(v) for v in value]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    if value is None or isinstance(value, (bool, int, str)):
        return value
    raise TypeError(f"expected a value that JSON can have, got {type(value).__name__}")
