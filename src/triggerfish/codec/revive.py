"""Plain data -> the record that it was made of: the inverse of `codec.plain`.

What is read comes from a file: every value is checked against the type of its field.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, get_args, get_origin

import torch
from torch import Tensor

from triggerfish.codec.fields import (
    Field,
    element_types,
    fields_of,
    is_list,
    is_mapping,
    is_optional,
    is_record,
    key_of,
    members,
    tag_of,
    tagged,
    without_marks,
)
from triggerfish.codec.plain import TAG
from triggerfish.codec.scalars import scalar_of
from triggerfish.codec.tensors import Shelf, as_tensor, missing, shape_of

Record = TypeVar("Record")


def revived(kind: type[Record], data: Any, shelf: Shelf | None = None) -> Record:  # noqa: ANN401
    """The ``kind`` that ``data`` was made of; keys that it does not know are passed over.

    Tensors that JSON leaves out come from ``shelf``; one that is not there is None where that is
    allowed, else what `missing` says. Numbers come back as float64.

    Raises:
        ValueError: ``data`` was made of something else; the message says where it stands.
    """
    record: Record = _record(kind, data, "", shelf or Shelf())
    return record


def _record(
    kind: type,
    data: Any,  # noqa: ANN401
    place: str,
    shelf: Shelf,
    holder: Field | None = None,
) -> Any:  # noqa: ANN401
    _expect(isinstance(data, Mapping), "an object", data, place)
    values = {}
    for field in fields_of(kind):
        key = key_of(field, holder)
        if field.inlined:
            values[field.name] = _record(field.hint, data, place, shelf, field)
        elif not field.stored:
            values[field.name] = _left_out(field.hint, data.get(key))
        elif key in data:
            values[field.name] = _value(field.hint, data[key], f"{place}{key}", shelf)
        elif not field.has_default:  # a newer field has one: older results stay readable
            raise ValueError(f"expected {place}{key}, got none")
    return kind(**values)


def _left_out(hint: Any, data: Any) -> Any:  # noqa: ANN401
    """What stands for a value that is not stored."""
    if hint is Tensor:
        return torch.empty(0, *shape_of(data, "shape_of_each"))
    return None if is_optional(hint) else ()


def _value(hint: Any, data: Any, place: str, shelf: Shelf) -> Any:  # noqa: ANN401
    hint = without_marks(hint)[0]
    if data is None and is_optional(hint):
        return None
    for member in members(hint):
        if _may_be(member, data, several=tagged(hint)):
            if member is Tensor:
                return _tensor(data, shelf, optional=is_optional(hint))
            return _one(member, data, place, shelf)
    expected = " or ".join(getattr(m, "__name__", str(m)) for m in members(hint))
    raise ValueError(f"expected {expected} as {place}, got {data!r:.60}")


def _may_be(hint: Any, data: Any, *, several: bool) -> bool:  # noqa: ANN401
    """Whether the data has the outer form of the type."""
    if hint is Tensor:
        return not isinstance(data, dict) or "shape" in data
    if is_record(hint):
        return isinstance(data, dict) and (not several or data.get(TAG) == tag_of(hint))
    if is_mapping(hint):
        return isinstance(data, dict)
    if is_list(hint):
        return isinstance(data, list)
    scalar = scalar_of(hint)
    return scalar is not None and scalar.fits(data)


def _one(hint: Any, data: Any, place: str, shelf: Shelf) -> Any:  # noqa: ANN401
    if is_record(hint):
        return _record(hint, data, f"{place}.", shelf)
    if is_list(hint):
        return _list(hint, data, place, shelf)
    if is_mapping(hint):
        key, value = get_args(hint)
        return {_key(key, k, place): _value(value, v, f"{place}.{k}", shelf)
                for k, v in data.items()}  # fmt: skip
    scalar = scalar_of(hint)
    assert scalar is not None
    return scalar.read(data)


def _list(hint: Any, data: list[Any], place: str, shelf: Shelf) -> Any:  # noqa: ANN401
    kinds = element_types(hint, len(data))
    _expect(len(data) == len(kinds), f"{len(kinds)} values", data, place)
    items = (
        _value(kind, item, f"{place}.{number}", shelf)
        for number, (kind, item) in enumerate(zip(kinds, data, strict=True))
    )
    return list(items) if get_origin(hint) is list else tuple(items)


def _key(hint: Any, key: str, place: str) -> Any:  # noqa: ANN401
    """A key of a mapping: JSON has them as text."""
    if hint is int:
        _expect(key.isdecimal(), "a number", key, place)
        return int(key)
    return _value(hint, key, place, Shelf())


def _tensor(data: Any, shelf: Shelf, *, optional: bool) -> Tensor | None:  # noqa: ANN401
    if not isinstance(data, dict):
        return as_tensor(data)
    found = shelf.tensors.get(data.get("tensor", ""))
    if found is not None:
        return found
    # A line of a stream has no file of tensors beside it: what can be said is their shape.
    return None if optional else missing(shape_of(data, "shape"))


def _expect(holds: bool, what: str, data: object, place: str) -> None:
    if not holds:
        raise ValueError(f"expected {what} as {place or 'the whole'}, got {data!r:.60}")
