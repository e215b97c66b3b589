"""Pieces of the tables in the docs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from triggerfish.statistics.outliers import clopper_pearson

T = TypeVar("T")


def markdown(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join("| " + " | ".join(map(str, line)) + " |\n" for line in lines)


def rate(successes: int, count: int) -> str:
    """A rate with its n and its 95 % Clopper-Pearson interval; a dash where there is no n."""
    if not count:
        return "-"
    low, high = clopper_pearson(successes, count)
    return f"{successes} of {count} ({successes / count:.3f}; {low:.3f}-{high:.3f})"


def rate_of(criterion: Callable[[T], object], items: Sequence[T]) -> str:
    """`rate` of the items that meet a criterion."""
    return rate(sum(bool(criterion(item)) for item in items), len(items))
