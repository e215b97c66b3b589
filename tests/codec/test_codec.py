"""The codec by itself, on records of no meaning."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Annotated, Literal

import jsonschema
import pytest
import torch
from torch import Tensor

from triggerfish.codec.marks import INLINE, NOT_STORED
from triggerfish.codec.plain import as_plain, plain_of
from triggerfish.codec.revive import revived
from triggerfish.codec.schema import definitions
from triggerfish.codec.tensors import Shelf, read_tensors, render_tensors


class Color(str, Enum):
    RED = "red"


@dataclass(frozen=True)
class Circle:
    """Round."""

    radius: float
    """From the middle
    to the rim."""


@dataclass(frozen=True)
class Square:
    side: int | None = None


@dataclass(frozen=True)
class Answer:
    name: Literal["yes", "no"]
    certain: bool = True

    @property
    def length(self) -> int:
        return len(self.name)


@dataclass(frozen=True)
class Everything:
    """All types there are."""

    answer: Annotated[Answer, INLINE]
    path: Path
    day: date
    color: Color
    shapes: tuple[Circle | Square, ...]
    pair: tuple[int, str]
    by_class: Mapping[int, tuple[str, ...]]
    vector: Tensor
    images: Tensor
    scratch: Annotated[Tensor, NOT_STORED]
    also: tuple["Everything", ...] = ()
    nothing: Tensor | None = None
    free: Mapping[str, object] = field(default_factory=dict)


def everything() -> Everything:
    images = torch.arange(16).reshape(2, 2, 2, 2) / 255
    return Everything(
        Answer("no", certain=False), Path("a b"), date(2031, 2, 3), Color.RED,
        (Circle(math.nan), Square()), (3, "x"), {7: ("a",)}, torch.tensor([1.0, math.nan]), images,
        torch.ones(3, 4), free={"deep": ({"list": (1, 2.5, math.inf)},)},
    )  # fmt: skip


def test_what_is_written() -> None:
    shelf = Shelf()
    assert plain_of(everything(), shelf) == {
        "answer": "no",
        "certain": False,
        "length": 2,
        "path": "a b",
        "day": "2031-02-03",
        "color": "red",
        "shapes": [{"type": "circle", "radius": None}, {"type": "square", "side": None}],
        "pair": [3, "x"],
        "by_class": {"7": ["a"]},
        "vector": [1.0, None],
        "images": {"shape": [2, 2, 2, 2], "tensor": "images"},
        "scratch": {"shape_of_each": [4]},
        "also": [],
        "nothing": None,
        "free": {"deep": [{"list": [1, 2.5, None]}]},
    }
    assert list(shelf.tensors) == ["images"]


def test_what_comes_back() -> None:
    shelf = Shelf()
    data = json.loads(json.dumps(plain_of(everything(), shelf)))
    again = revived(Everything, data, shelf)
    assert again.answer == Answer("no", certain=False)
    assert isinstance(again.shapes[0], Circle)
    assert math.isnan(again.shapes[0].radius)
    assert (again.shapes[1], again.pair, again.by_class) == (Square(), (3, "x"), {7: ("a",)})
    assert (again.path, again.day, again.color) == (Path("a b"), date(2031, 2, 3), Color.RED)
    assert torch.equal(again.images, everything().images)
    assert again.scratch.shape == (0, 4)


def test_an_image_that_is_not_there_is_an_empty_batch_and_a_new_key_is_passed_over() -> None:
    data = {**plain_of(everything()), "of a later version": 3}
    assert revived(Everything, data).images.shape == (0, 2, 2, 2)


def test_equal_tensors_are_kept_once() -> None:
    one, shelf = everything(), Shelf()
    data = plain_of(Everything(**{**vars(one), "also": (everything(),)}), shelf)
    assert list(shelf.tensors) == ["images"]
    assert data["also"][0]["images"]["tensor"] == "images"


def test_large_tables_are_kept_beside_the_json_exactly() -> None:
    table = torch.rand(200, 200, dtype=torch.float64)
    shelf = Shelf()
    data = plain_of(Everything(**{**vars(everything()), "vector": table}), shelf)
    assert data["vector"] == {"shape": [200, 200], "tensor": "vector"}
    packed = render_tensors(shelf.tensors)
    assert packed is not None
    assert torch.equal(read_tensors(packed)["vector"], table)


def test_the_schema_holds_and_refuses() -> None:
    found = definitions(Everything)
    assert found["circle"]["description"] == "Round."
    assert found["circle"]["properties"]["radius"]["description"] == "From the middle to the rim."
    schema = {"$defs": found, "$ref": "#/$defs/everything"}
    validator = jsonschema.Draft202012Validator(schema)
    data = json.loads(json.dumps(plain_of(everything())))
    validator.validate(data)
    for wrong in ({"answer": "perhaps"}, {"color": 3}, {"pair": [3]}, {"by_class": {"x": []}},
                  {"images": {"tensor": "images"}}, {"length": None}):  # fmt: skip
        with pytest.raises(jsonschema.ValidationError):
            validator.validate({**data, **wrong})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"answer": "perhaps"}, "as answer, got 'perhaps'"),
        ({"certain": 1}, "expected bool as certain"),
        ({"day": "soon"}, "soon"),
        ({"color": "blue"}, "blue"),
        ({"shapes": [{"type": "cube"}]}, "expected Circle or Square as shapes.0"),
        ({"pair": [1, "x", 2]}, "expected 2 values as pair"),
        ({"by_class": {"x": []}}, "expected a number as by_class"),
        ({"vector": [1, [2]]}, "."),
        ({"images": {"shape": [1, -1]}}, "expected the shape of a tensor"),
        ({"images": {"shape": [1 << 20, 1 << 20]}}, "at most"),
        ({"also": [3]}, "expected Everything as also.0"),
    ],
)
def test_what_does_not_fit_is_a_value_error(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        revived(Everything, {**plain_of(everything()), **wrong})


def test_a_field_that_is_missing_is_named() -> None:
    data = plain_of(everything())
    del data["path"]
    with pytest.raises(ValueError, match="expected path, got none"):
        revived(Everything, data)


def test_a_type_that_json_has_not_is_refused() -> None:
    with pytest.raises(TypeError, match="got complex"):
        as_plain({"a": 1j})
