"""The tables of repairs (repair.py) and of confirmation tests (confirm.py)."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from benchmarks import confirm, repair
from benchmarks.lines import read_lines
from benchmarks.markdown import markdown, rate, rate_of

Row = dict[str, Any]
GONE = 0.1
"""A trigger that still turns this fraction of images turns about what chance does."""
NEEDS = {
    "unlearning": "nothing",
    "channel-pruning": "nothing",
    "fine-pruning": f"{repair.REAL} labelled images",
}


def repairs() -> str:
    """Method by method: what is left of true triggers, and of accuracy."""
    lines = []
    for file in sorted(repair.FOLDER.glob("*.jsonl")):
        rows = [row for row in read_lines(file) if "after" in row]
        for method in NEEDS if rows else ():
            lines.append(_of_method(file.stem, method, rows))
    if not lines:
        return ""
    header = (
        "networks", "method", "needs", "true trigger below 10 %", "accuracy, attacked",
        "accuracy, clean", "own check passed, attacked",
    )  # fmt: skip
    return markdown(header, lines)


def _of_method(name: str, method: str, rows: Sequence[Row]) -> tuple[object, ...]:
    tried = [row for row in rows if "error" not in row["after"][method]]
    attacked = [row for row in tried if row["attack"]]
    clean = [row for row in tried if not row["attack"]]
    return (
        name,
        method,
        NEEDS[method],
        rate_of(lambda row: row["after"][method]["trigger_success"] < GONE, attacked),
        _lost(attacked, method),
        _lost(clean, method),
        rate_of(lambda row: row["after"][method]["accepted"], attacked)
        if all("accepted" in row["after"][method] for row in attacked)
        else "-",
    )


def _lost(rows: Sequence[Row], method: str) -> str:
    """Median change of accuracy in points, and the worst."""
    if not rows:
        return "-"
    points = [100 * (r["after"][method]["accuracy"] - r["before"]["accuracy"]) for r in rows]
    return f"{median(points):+.1f} (worst {min(points):+.1f}; n = {len(points)})"


def looks() -> str:
    """How often a flag, true or false, gets each grade."""
    lines = []
    for file in sorted(confirm.FOLDER.glob("*.jsonl")):
        looked = [(row, look) for row in read_lines(file) for look in row["looks"]]
        flags = [(row, look) for row, look in looked if look["class"] in row["flagged"]]
        rest = [(row, look) for row, look in looked if look["class"] not in row["flagged"]]
        for title, pairs in (
            ("true target, flagged", [p for p in flags if _is_target(*p)]),
            ("false alarm", [p for p in flags if not _is_target(*p)]),
            ("clean, most suspicious class, not flagged", [p for p in rest if not p[0]["attack"]]),
            ("true target, not flagged", [p for p in rest if _is_target(*p)]),
        ):
            grades = [look["grade"] for _, look in pairs]
            counts = [rate(grades.count(g), len(grades)) for g in _GRADES]
            lines.append((file.stem, title, len(grades), *counts))
    return markdown(("networks", "class", "n", *_GRADES), lines) if lines else ""


_GRADES = ("confirmed", "unclear", "refuted")


def _is_target(row: Row, look: Row) -> bool:
    return bool(row["attack"]) and (
        look["class"] in row["targets"] or row["attack"] == "all-to-all"
    )
