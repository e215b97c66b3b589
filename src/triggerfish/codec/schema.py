"""The types of records -> JSON Schema (draft 2020-12) of what `codec.plain` writes of them."""

from __future__ import annotations

import inspect
from typing import Any, get_args

from torch import Tensor

from triggerfish.codec.fields import (
    Field,
    described_fields,
    element_types,
    fields_of,
    is_fixed,
    is_list,
    is_mapping,
    is_optional,
    is_record,
    key_of,
    members,
    properties_of,
    tag_of,
    tagged,
    without_marks,
)
from triggerfish.codec.plain import TAG
from triggerfish.codec.scalars import Schema, scalar_of

_NUMBERS = {"$ref": "#/$defs/numbers"}
_TENSORS: dict[str, Schema] = {
    "numbers": {
        "type": ["array", "number", "null"],
        "items": _NUMBERS,
        "description": "Numbers, or rows of them; null where not measured.",
    },
    "not_here": {
        "type": "object",
        "properties": {
            "shape": {
                "type": "array",
                "items": {"type": "integer", "minimum": 0},
                "description": "The tensor's shape.",
            },
            "tensor": {"type": "string", "description": "Its name in evidence.safetensors."},
        },
        "required": ["shape"],
        "description": "Images, and tables too large for JSON: in evidence.safetensors, in the "
        "folder of the result.",
    },
}
_SHAPE: Schema = {
    "type": "object",
    "properties": {
        "shape_of_each": {
            "type": "array",
            "items": {"type": "integer", "minimum": 0},
            "description": "The shape of one row.",
        }
    },
    "required": ["shape_of_each"],
}
_TENSOR: Schema = {"anyOf": [_NUMBERS, {"$ref": "#/$defs/not_here"}]}


def definitions(*records: type) -> dict[str, Schema]:
    """The schemas of records, and of all that they hold, by `tag_of` their types."""
    found: dict[str, Schema] = dict(_TENSORS)
    for record in records:
        _define(record, found)
    return dict(sorted(found.items()))


def schema_of(hint: Any, found: dict[str, Schema] | None = None) -> Schema:  # noqa: ANN401
    """The schema of a type; those of the records in it are put into ``found``."""
    found = {} if found is None else found
    several = tagged(hint)
    options = [_one(without_marks(member)[0], found, several=several) for member in members(hint)]
    if is_optional(hint):
        options.append({"type": "null"})
    return options[0] if len(options) == 1 else _any_of(options)


def _any_of(options: list[Schema]) -> Schema:
    """One of several; types without further limits as a list, which is shorter."""
    if all(set(option) == {"type"} and isinstance(option["type"], str) for option in options):
        return {"type": [option["type"] for option in options]}
    if "null" in options[0].get("type", ()):  # a float, which may be null as it is
        return options[0]
    return {"anyOf": options}


def _define(record: type, found: dict[str, Schema]) -> None:
    name = tag_of(record)
    if name in found:
        return
    found[name] = {}  # a record may hold others of its kind, which end here
    properties, required = {}, list[str]()
    for field, holder, text in _all_fields(record):
        if not field.stored and field.hint is not Tensor:
            continue
        key = key_of(field, holder)
        properties[key] = schema_of(field.hint, found) if field.stored else _SHAPE
        if text:
            properties[key] = {**properties[key], "description": text.replace("`", "")}
        required.append(key)  # whatever its default is: everything is written
    summary = (inspect.getdoc(record) or "").partition("\n\n")[0]
    found[name] = {
        "type": "object",
        "description": " ".join(summary.split()).replace("`", ""),
        "properties": properties,
        "required": required,
    }


def _all_fields(record: type, holder: Field | None = None) -> list[tuple[Field, Field | None, str]]:
    """Fields and properties as they are written, those of inlined records in their place."""
    texts, rows = described_fields(record), list[tuple[Field, Field | None, str]]()
    for field in (*fields_of(record), *properties_of(record)):
        if field.inlined:
            rows += _all_fields(field.hint, field)
        else:
            rows.append((field, holder, texts.get(field.name, "")))
    return rows


def _one(hint: Any, found: dict[str, Schema], *, several: bool) -> Schema:  # noqa: ANN401
    if is_record(hint):
        _define(hint, found)
        if several:
            found[tag_of(hint)]["properties"][TAG] = {"const": tag_of(hint)}
        return {"$ref": f"#/$defs/{tag_of(hint)}"}
    if hint is Tensor:
        return _TENSOR
    if is_mapping(hint):
        key, value = get_args(hint)
        names = {"propertyNames": {"pattern": "^[0-9]+$"}} if key is int else {}
        return {"type": "object", **names, "additionalProperties": schema_of(value, found)}
    if is_list(hint):
        return _array(hint, found)
    scalar = scalar_of(hint)
    if scalar is None:
        raise TypeError(f"expected a type that JSON can have, got {hint}")
    return scalar.schema


def _array(hint: Any, found: dict[str, Schema]) -> Schema:  # noqa: ANN401
    items = [schema_of(kind, found) for kind in element_types(hint, 1)]
    if is_fixed(hint):
        return {"type": "array", "prefixItems": items, "items": False, "minItems": len(items)}
    return {"type": "array", "items": items[0]}
