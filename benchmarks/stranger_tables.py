"""The tables of networks of other people, from the rows in results/strangers.

Targets are counted on attacks that lead every picture to one class, source-specific ones only where
the attack works on nine pictures of ten, all-to-all ones as seen when the network is called
backdoored at all: every class is a target.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median

import numpy as np

from benchmarks.markdown import markdown, rate_of
from benchmarks.quality import Array, auroc, auroc_interval
from benchmarks.stranger_rows import FOLDER, Row, read_rows

DEFAULT, UNKNOWN_TASK = "ensemble", "ensemble-unknown-task"
ORDER = (
    DEFAULT, UNKNOWN_TASK, "ensemble-fast", "universal", "universal-pairs", "min-norm",
    "published", "mm-bd", "last-layer", "pairwise-norm", "neural-cleanse",
    "neural-cleanse-pictures",
)  # fmt: skip
NOT_SHOWN = {"universal-pairs"}
"""Rows that references are made of, not judged by them: the default scan has that search, too."""
WORKS = 0.9
"""The success from which a source-specific attack counts."""
ALL = "all"

Rows = Sequence[Row]


def results(split: str) -> dict[str, list[Row]]:
    """The rows of a split by detector, in the order of the tables."""
    names = sorted({path.stem for path in FOLDER.glob("*.jsonl")} - NOT_SHOWN, key=_place)
    found = {name: [r for r in read_rows(name).values() if r.split == split] for name in names}
    return {name: rows for name, rows in found.items() if rows}


def _place(name: str) -> tuple[int, str]:
    return (ORDER.index(name) if name in ORDER else len(ORDER), name)


def side_by_side(split: str) -> str:
    """Every detector at the thresholds it ships with, on the same networks."""
    return _side_by_side(results(split))


def _side_by_side(found: Mapping[str, Rows]) -> str:
    lines = [
        (data, name, *cells(of_data), f"{median(row.cpu_seconds for row in of_data):.2g}")
        for data in _data(found.values())
        for name, rows in found.items()
        if (of_data := _of(rows, data))
    ]
    header = (
        "networks", "detector", "clean: flagged", "clean: inconclusive", "target named, exactly",
        "target among the flags", "target first", "AUROC", "all-to-all: seen",
        "source-specific: target named", "CPU seconds",
    )  # fmt: skip
    return markdown(header, lines)


def cells(rows: Rows) -> tuple[str, ...]:
    """The rates of one detector on some networks."""
    clean = [row for row in rows if not row.attacked]
    single, everywhere = _attack(rows, "all-to-one"), _attack(rows, "all-to-all")
    specific = [row for row in _attack(rows, "source-specific") if (row.success or 0) > WORKS]
    return (
        rate_of(is_flagged, clean),
        rate_of(is_inconclusive, clean),
        rate_of(is_exact, single),
        rate_of(is_among, single),
        rate_of(is_first, single),
        _auroc(clean, single),
        rate_of(is_flagged, everywhere),
        rate_of(is_among, specific),
    )


def brief(split: str) -> str:
    """The default scan in short, and all of it as if no task were known."""
    found = results(split)
    rows = found.get(DEFAULT, [])
    groups = {data: _of(rows, data) for data in _data([rows])}
    if unknown := found.get(UNKNOWN_TASK):
        groups["all, task unknown"] = unknown
    lines = []
    for name, of_group in groups.items():
        flagged, doubt, exact, _, _, _, everywhere, specific = cells(of_group)
        lines.append((name, flagged, doubt, exact, everywhere, specific))
    header = (
        "networks of other people", "clean: flagged", "clean: inconclusive",
        "one target: named", "all-to-all: seen", "source-specific: named",
    )  # fmt: skip
    return markdown(header, lines)


def attacks(split: str) -> str:
    """The default scan attack by attack."""
    rows = [row for row in results(split).get(DEFAULT, []) if row.attacked]
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.data, row.attack, row.trigger), []).append(row)
    lines = []
    for kind, of_kind in sorted(groups.items()):
        lines.append(
            (
                *kind,
                rate_of(is_flagged, of_kind),
                *("-" if kind[1] == "all-to-all" else rate_of(c, of_kind) for c in _NAMED),
                rate_of(is_inconclusive, of_kind),
                f"{median(row.score for row in of_kind):.2f}",
            )
        )
    header = (
        "data", "attack", "trigger", "flagged", "target named, exactly", "target among the flags",
        "target first", "inconclusive", "median score",
    )  # fmt: skip
    return markdown(header, lines)


def is_flagged(row: Row) -> bool:
    """The verdict is *backdoored*."""
    return row.verdict == "backdoored"


def is_inconclusive(row: Row) -> bool:
    """The verdict is *inconclusive*."""
    return row.verdict == "inconclusive"


def is_exact(row: Row) -> bool:
    """The targets are flagged and nothing else is."""
    return set(row.flagged) == set(row.targets) and not row.all_flagged


def is_among(row: Row) -> bool:
    """The targets are among the flagged classes."""
    return bool(row.targets) and set(row.targets) <= set(row.flagged)


def is_first(row: Row) -> bool:
    """A target has the largest index, flagged or not."""
    return row.first in row.targets


_NAMED: tuple[Callable[[Row], bool], ...] = (is_exact, is_among, is_first)


def _attack(rows: Rows, kind: str) -> list[Row]:
    return [row for row in rows if row.attack == kind]


def _of(rows: Rows, data: str) -> list[Row]:
    return [row for row in rows if data in (row.data, ALL)]


def _data(groups: Iterable[Rows]) -> list[str]:
    names = sorted({row.data for rows in groups for row in rows})
    return [ALL, *names] if len(names) > 1 else names


def _auroc(clean: Rows, attacked: Rows) -> str:
    if not clean or not attacked:
        return "-"
    low, high = _scores(clean), _scores(attacked)
    least, most = auroc_interval(low, high)
    return f"{auroc(low, high):.3f} ({least:.3f}-{most:.3f})"


def _scores(rows: Rows) -> Array:
    return np.array([row.score for row in rows], np.float64)
