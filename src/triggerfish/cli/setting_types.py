"""Types of detectors' settings -> how the command line reads and shows them."""

from __future__ import annotations

from collections.abc import Callable
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import click

Reader = Callable[[str], object]


def list_of(kinds: tuple[type, ...]) -> Reader:
    """A reader of values between commas, each by the first of ``kinds`` that can read it."""

    def one(text: str) -> object:
        for kind in kinds:
            try:
                return kind(text)
            except ValueError:
                continue
        raise click.BadParameter(f"{text!r} is no number: put commas between numbers")

    def read(value: str) -> tuple[object, ...]:
        return tuple(one(part.strip()) for part in value.split(","))

    return read


def click_type(hint: object) -> click.ParamType[Any] | Reader:
    """The parameter type for a field's type.

    Raises `TypeError` for a type that the command line cannot read.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is bool:
        return click.BOOL
    if hint is int:
        return click.INT
    if hint is float:
        return click.FLOAT
    if hint is str:
        return click.STRING
    if origin is Literal:
        return click.Choice(list(arguments))
    if origin in (Union, UnionType):  # of a type and None
        (known,) = (argument for argument in arguments if argument is not type(None))
        return click_type(known)
    if origin is tuple:
        element = arguments[0]
        return list_of(get_args(element) or (element,))
    raise TypeError(f"expected a type that an option can have, got {hint}")


def shown(value: object) -> str:
    """A default as it would be typed."""
    if isinstance(value, tuple):
        return ",".join(map(shown, value))
    if isinstance(value, bool):
        return "on" if value else "off"
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
