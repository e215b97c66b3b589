"""The table of true triggers on synthetic images (triggers_on_pictures.py)."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from benchmarks.common import recorded
from benchmarks.markdown import markdown

NAME = "triggers_on_pictures"
FAMILIES = ("mixture", "leaves", "gaps", "clouds", "noise")
FEWEST = 20
"""A share of fewer pictures that a network calls what the trigger moves is left out."""

Row = dict[str, Any]


def rows() -> list[Row]:
    """Every network measured whose attack is not known to have failed."""
    sections = recorded(NAME)
    return [
        row
        for name, section in sections.items()
        if name != "machine"
        for row in section.values()
        if row["valid"] is not False
    ]


def table() -> str:
    """Success on test images and on each family, attack by attack: median, and the least."""
    found = rows()
    groups = sorted({_group(row) for row in found})
    lines = []
    for group in groups:
        of_group = [row for row in found if _group(row) == group]
        for attack in sorted({row["attack"] for row in of_group}):
            lines.append(_line(group, attack, [r for r in of_group if r["attack"] == attack]))
        lines.append(_line(group, "all", of_group))
    header = ("networks", "attack", "n", "test images", *FAMILIES)
    return markdown(header, lines)


def _group(row: Row) -> str:
    return f"{row['data']}, {row['network']}"


def _line(group: str, attack: str, of_attack: Sequence[Row]) -> tuple[object, ...]:
    shares = [
        [row["success"][name] for row in of_attack if row["moved"][name] >= FEWEST]
        for name in FAMILIES
    ]
    test = [row["test"] for row in of_attack]
    return (group, attack, len(of_attack), _brief(test), *map(_brief, shares))


def _brief(shares: Sequence[float]) -> str:
    """Median and, of several, the least."""
    if not shares:
        return "-"
    least = f" ({min(shares):.2f})" if len(shares) > 1 else ""
    return f"{median(shares):.2f}{least}"
