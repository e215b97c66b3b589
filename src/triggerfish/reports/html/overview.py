"""Many models: rows of a table that a page can sort and filter, and what they sum to."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from triggerfish.reports.about import About
from triggerfish.reports.html.histogram import Histogram, histogram
from triggerfish.reports.html.page import file_name, thumbnail
from triggerfish.reports.summary import Summary, outcome, summarize
from triggerfish.reports.text import optional, printable
from triggerfish.reports.words import WIRING, beside_threshold, is_of_unknown_task, targets
from triggerfish.results import Scanned, Skipped
from triggerfish.results.deciding import index_and_threshold

# What needs somebody first comes first.
RANK = {
    "backdoored": 0,
    "dangerous": 1,
    "inconclusive": 2,
    "skipped": 3,
    "accepted": 4,
    "clean": 5,
}


@dataclass(frozen=True)
class Row:
    """One result. ``index`` and ``threshold`` are NaN where there are none; ``link`` may be ''."""

    name: str
    path: str
    outcome: str
    rank: int
    target: str
    index: float
    threshold: float
    index_text: str
    p_value: str
    seconds: str
    reason: str
    picture: str | None
    link: str

    @property
    def order(self) -> tuple[int, float, str]:
        """The most suspicious first."""
        return self.rank, -self.index if math.isfinite(self.index) else 0.0, self.path


@dataclass(frozen=True)
class Overview:
    """All rows, the most suspicious first."""

    rows: tuple[Row, ...]
    summary: Summary
    counts: tuple[tuple[str, int], ...]
    histogram: Histogram | None


def row(result: Scanned | Skipped, link: str) -> Row:
    """The row of a result; ``link`` leads to its page."""
    found, path = outcome(result), file_name(result)
    index = threshold = math.nan
    index_text = p_value = seconds = ""
    if isinstance(result, Skipped):
        target, reason = "", printable(result.reason)
    else:
        verdict = result.verdict
        target = targets(result).removeprefix("class ").removeprefix("classes ")
        reason = "; ".join([*(printable(r.text) for r in verdict.reasons), *_weak(result)])
        index, threshold = index_and_threshold(verdict)
        index_text = "" if math.isnan(index) else beside_threshold(result)
        p_value = optional(verdict.p_value, ".2g") or "uncalibrated"
        seconds = f"{result.seconds:.1f}"
    return Row(
        name=path,
        path="" if result.path is None else printable(result.path),
        outcome=found,
        rank=RANK[found],
        target=target,
        index=index,
        threshold=threshold,
        index_text=index_text,
        p_value=p_value,
        seconds=seconds,
        reason=reason,
        picture=thumbnail(result) if found != "clean" else None,
        link=link,
    )


def _weak(result: Scanned) -> Iterator[str]:
    """What makes a verdict worth less than that of another row."""
    if is_of_unknown_task(result):
        yield "task not recognised"
    if any(item.name == WIRING for item in result.assumptions):
        yield "guessed wiring"


def overview(rows: Sequence[Row], about: About) -> Overview:
    """The table of all rows, with a histogram where at least two models were measured."""
    summary = summarize((r.outcome for r in rows), about.other_files)
    counts = [(name, sum(r.outcome == name for r in rows)) for name in RANK]
    return Overview(
        rows=tuple(sorted(rows, key=lambda r: r.order)),
        summary=summary,
        counts=tuple((name, count) for name, count in counts if count),
        histogram=histogram([(r.outcome, r.index, r.threshold) for r in rows]),
    )
