"""Small conversions that several text formats share."""

from __future__ import annotations

import math


def printable(text: object) -> str:
    """``text`` with control characters and undecodable bytes escaped.

    File names and error messages come from outside; they must not steer a terminal.
    """
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in str(text)
    )


def largest(values: tuple[float, ...]) -> float:
    """The largest measured value; NaN where nothing was measured."""
    return max((v for v in values if not math.isnan(v)), default=math.nan)


def number(value: float, spec: str = ".6g") -> str:
    """A number, or an empty text for NaN: nothing that was not measured looks like a number."""
    return "" if math.isnan(value) else format(value, spec)


def sized(value: float) -> str:
    """A size in two digits, without an exponent: ``0.57``, ``34``, ``214``."""
    return f"{value:.2g}" if abs(value) < 99.5 else f"{value:.0f}"


def percent(share: float) -> str:
    """``64 %``, or an empty text for NaN."""
    return "" if math.isnan(share) else f"{100 * share:.0f} %"


def optional(value: float | None, spec: str = ".6g") -> str:
    """A number, or an empty text for None."""
    return "" if value is None else number(value, spec)
