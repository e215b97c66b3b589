"""Random values of any type that the codec knows: strategies made from the types themselves."""

import dataclasses
import sys
from collections.abc import Mapping
from datetime import date
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import torch
from hypothesis import strategies as st
from torch import Tensor

from triggerfish.codec.fields import (
    fields_of,
    is_list,
    is_mapping,
    is_optional,
    is_record,
    members,
    without_marks,
)


def floats(*, allow_nan: bool = True) -> st.SearchStrategy[float]:
    """Any but the largest, which is what an infinite one is written as."""
    return st.floats(allow_nan=allow_nan).filter(lambda x: abs(x) != sys.float_info.max)


SCALARS: dict[Any, st.SearchStrategy[Any]] = {
    bool: st.booleans(),
    int: st.integers(0, 2**40),
    float: floats(),
    str: st.text(max_size=8),
    Path: st.text("ab/.", min_size=1, max_size=8).map(Path),
    date: st.dates(date(1900, 1, 1), date(2999, 1, 1)),
    object: st.none() | st.integers(-9, 9) | st.text(max_size=3) | st.lists(st.booleans()),
}
SHAPES = st.sampled_from(
    [(), (0,), (1,), (4,), (0, 3), (2, 3), (3, 2, 2), (2, 1, 3, 2), (0, 1, 2, 2)]
)


@cache
def values(hint: Any, depth: int = 0) -> st.SearchStrategy[Any]:
    """Values of a type; records hold others of their kind at most once."""
    kinds = [without_marks(member)[0] for member in members(hint)]
    if not is_optional(hint):
        return st.one_of([one(kind, depth) for kind in kinds])
    # What was not measured is null, which is None where that is one of the values.
    known = [floats(allow_nan=False) if kind is float else one(kind, depth)
             for kind in kinds]  # fmt: skip
    return st.one_of([st.none(), *known])


def one(hint: Any, depth: int) -> st.SearchStrategy[Any]:
    if is_record(hint):
        return records(hint, depth + 1)
    if hint is Tensor:
        return tensors()
    if get_origin(hint) is Literal:
        return st.sampled_from(get_args(hint))
    if isinstance(hint, type) and issubclass(hint, Enum):
        return st.sampled_from(list(hint))
    if is_mapping(hint):
        return mappings(hint, depth)
    if is_list(hint):
        return lists(hint, depth)
    return SCALARS[hint]


def lists(hint: Any, depth: int) -> st.SearchStrategy[Any]:
    kinds = get_args(hint)
    if Ellipsis not in kinds:
        return st.tuples(*(values(kind, depth) for kind in kinds))
    if depth > 2 and is_record(without_marks(kinds[0])[0]):
        return st.just(())
    return st.lists(values(kinds[0], depth), max_size=2).map(tuple)


def mappings(hint: Any, depth: int) -> st.SearchStrategy[Mapping[Any, Any]]:
    key, value = get_args(hint)
    return st.dictionaries(values(key, depth), values(value, depth), max_size=2)


@st.composite
def tensors(draw: st.DrawFn) -> Tensor:
    """Levels of 1/255 in [0, 1], which every way of storing keeps; small ones with NaN in it."""
    shape = draw(SHAPES)
    seed = draw(st.integers(0, 99))
    levels = torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(seed))
    tensor = (levels / 255).float()
    if tensor.ndim < 3:
        tensor = tensor.double()
        if tensor.ndim and tensor.numel() and draw(st.booleans()):
            tensor.view(-1)[0] = torch.nan
    return tensor


def records(kind: type, depth: int = 0) -> st.SearchStrategy[Any]:
    """Records with random fields; those that their own checks refuse are left out."""
    hints = {field.name: values(field.hint, depth) for field in fields_of(kind)}
    return st.fixed_dictionaries(hints).map(lambda v: made(kind, v)).filter(lambda r: r is not None)


def made(kind: type, given: dict[str, Any]) -> Any:
    try:
        return kind(**given)
    except ValueError:
        return None


def same(one: Any, other: Any) -> bool:
    """Equality that knows NaN, tensors and records; a tensor is as good as its numbers."""
    if isinstance(one, Tensor):
        return (
            isinstance(other, Tensor)
            and one.shape == other.shape
            and bool(torch.isclose(one.double(), other.double(), atol=1e-6, equal_nan=True).all())
        )
    if dataclasses.is_dataclass(one):
        return type(one) is type(other) and all(
            same(getattr(one, f.name), getattr(other, f.name))
            for f in fields_of(type(one))
            if f.stored
        )
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    return one == other or (one != one and other != other)
