"""Numbers in one text: ``0.485,0.456,0.406`` or ``2x2``."""

from __future__ import annotations

from collections.abc import Callable

import click

Number = int | float
Callback = Callable[[click.Context, click.Parameter, str | None], tuple[Number, ...] | None]


def numbers(
    kind: type[int] | type[float], count: int | None = None, separator: str = ","
) -> Callback:
    """A click callback that reads numbers, ``count`` of them when it is given."""

    def read(
        _: click.Context, option: click.Parameter, text: str | None
    ) -> tuple[Number, ...] | None:
        if text is None:
            return None
        try:
            values = tuple(kind(part) for part in text.lower().split(separator))
        except ValueError:
            values = ()
        if not values or (count is not None and len(values) != count):
            what = "integers" if kind is int else "numbers"
            example = separator.join("123"[: count or 3])
            raise click.BadParameter(f"expected {what} like {example}, got {text}", param=option)
        return values

    return read
