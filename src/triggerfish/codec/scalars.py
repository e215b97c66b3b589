"""Values that hold no others: what JSON has for a type, one line each."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

Schema = dict[str, Any]

LARGEST = sys.float_info.max
"""Stands for infinity, which JSON has not, in a field of a record."""


def _as_it_is(data: Any) -> Any:  # noqa: ANN401
    return data


@dataclass(frozen=True)
class Scalar:
    """A type: its JSON Schema, which data ``fits`` it by its form, and how that is ``read``."""

    schema: Schema
    fits: Callable[[Any], bool]
    read: Callable[[Any], Any] = _as_it_is


def scalar_of(hint: Any) -> Scalar | None:  # noqa: ANN401
    """What JSON has for a type without marks; None for records, containers and tensors."""
    if get_origin(hint) is Literal:
        values = get_args(hint)
        return Scalar({"enum": list(values)}, lambda data: any(data == value for value in values))
    if isinstance(hint, type) and issubclass(hint, Enum):
        return Scalar({"enum": [member.value for member in hint]}, _is_text, hint)
    return _SCALARS.get(hint)


def _is_text(data: object) -> bool:
    return isinstance(data, str)


def _is_whole(data: object) -> bool:
    return isinstance(data, int) and not isinstance(data, bool)


def _is_number(data: object) -> bool:
    """Also None, which stands for NaN."""
    return data is None or isinstance(data, float) or _is_whole(data)


def _float(data: float | None) -> float:
    if data is None:
        return math.nan
    return math.copysign(math.inf, data) if abs(data) >= LARGEST else float(data)


_ANYTHING = Scalar({}, lambda _: True)
_SCALARS: dict[Any, Scalar] = {
    bool: Scalar({"type": "boolean"}, lambda data: isinstance(data, bool)),
    int: Scalar({"type": "integer"}, _is_whole),
    float: Scalar({"type": ["number", "null"]}, _is_number, _float),
    str: Scalar({"type": "string"}, _is_text),
    Path: Scalar({"type": "string"}, _is_text, Path),
    date: Scalar({"type": "string", "format": "date"}, _is_text, date.fromisoformat),
    object: _ANYTHING,
    Any: _ANYTHING,
}
