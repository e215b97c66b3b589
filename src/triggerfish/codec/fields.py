"""The fields of a record, with their types resolved; what the rest of the codec goes by."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from itertools import pairwise
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from triggerfish.codec.marks import INLINE, NOT_STORED


@dataclass(frozen=True)
class Field:
    """A field, or a property that is written beside the fields and never read.

    ``hint`` is its type without the marks.
    """

    name: str
    hint: Any
    marks: tuple[object, ...] = ()
    has_default: bool = False

    @property
    def inlined(self) -> bool:
        """Whether its own fields stand beside it, instead of below it."""
        return INLINE in self.marks

    @property
    def stored(self) -> bool:
        """Whether it can come back."""
        return NOT_STORED not in self.marks


@cache
def fields_of(record: type) -> tuple[Field, ...]:
    """The fields of a dataclass, in their order."""
    hints = get_type_hints(record, include_extras=True)
    return tuple(
        Field(
            item.name,
            *without_marks(hints[item.name]),
            has_default=item.default is not MISSING or item.default_factory is not MISSING,
        )
        for item in fields(record)
    )


@cache
def properties_of(record: type) -> tuple[Field, ...]:
    """Its public properties: written for whoever reads the JSON, computed anew when it is read."""
    found = []
    for name, value in vars(record).items():
        if isinstance(value, property) and not name.startswith("_"):
            found.append(Field(name, *without_marks(get_type_hints(value.fget)["return"])))
    return tuple(found)


def key_of(field: Field, holder: Field | None) -> str:
    """Under which key a field is written; ``holder`` has the inlined record that it belongs to."""
    return holder.name if holder is not None and field.name == "name" else field.name


def without_marks(hint: Any) -> tuple[Any, tuple[object, ...]]:  # noqa: ANN401
    """A type, and what is said about it."""
    if get_origin(hint) is Annotated:
        return hint.__origin__, hint.__metadata__
    return hint, ()


def members(hint: Any) -> tuple[Any, ...]:  # noqa: ANN401
    """The types of a union but None; any other type alone."""
    if get_origin(hint) in (Union, UnionType):
        return tuple(member for member in get_args(hint) if member is not NoneType)
    return (hint,)


def is_optional(hint: Any) -> bool:  # noqa: ANN401
    """Whether None is one of the values."""
    return hint is NoneType or NoneType in get_args(hint)


def is_record(hint: Any) -> bool:  # noqa: ANN401
    """Whether the type is a dataclass."""
    return isinstance(hint, type) and is_dataclass(hint)


def is_list(hint: Any) -> bool:  # noqa: ANN401
    """Whether the type is written as an array."""
    return get_origin(hint) in (tuple, list, Sequence)


def is_fixed(hint: Any) -> bool:  # noqa: ANN401
    """Whether an array has a type for each place, and so a length."""
    return get_origin(hint) is tuple and Ellipsis not in get_args(hint)


def element_types(hint: Any, count: int) -> tuple[Any, ...]:  # noqa: ANN401
    """The types of an array's elements, without marks, where it has ``count`` of them."""
    kinds = tuple(without_marks(kind)[0] for kind in get_args(hint) if kind is not Ellipsis)
    return kinds if is_fixed(hint) else kinds[:1] * count


def is_mapping(hint: Any) -> bool:  # noqa: ANN401
    """Whether the type is written as an object of entries."""
    return get_origin(hint) in (dict, Mapping)


def tag_of(record: type) -> str:
    """What tells a record from the others of a union, and names it in the schema."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", record.__name__).lower()


def tagged(hint: Any) -> bool:  # noqa: ANN401
    """Whether a union has several records, of which the JSON must say which."""
    return sum(map(is_record, members(hint))) > 1


@cache
def described_fields(record: type) -> dict[str, str]:
    """What the source says of each field, in the string below it, and of each property.

    Each on one line, with the marks of code.
    """
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(record))).body
    assert isinstance(body, ast.ClassDef)
    return dict(_described(body.body))


def _described(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    for item in body:
        if isinstance(item, ast.FunctionDef) and (said := ast.get_docstring(item)):
            yield item.name, " ".join(said.partition("\n\n")[0].split())
    for field, text in pairwise(body):
        if not (isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)):
            continue
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            yield field.target.id, " ".join(str(text.value.value).split())
