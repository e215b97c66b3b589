"""Markdown, for pull requests and wikis: a table, then what there is to say about each model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from triggerfish.reports.about import PLAIN, About
from triggerfish.reports.paragraph import paragraph
from triggerfish.reports.summary import outcome, summarize
from triggerfish.reports.text import number, optional, printable
from triggerfish.reports.words import targets
from triggerfish.results import Scanned, Skipped
from triggerfish.results.deciding import index_and_threshold

COLUMNS = ("verdict", "target", "anomaly index", "threshold", "p-value", "model")
# In the order of the table's reader: what needs somebody first.
MARKS = {
    "backdoored": "🔴 backdoored",
    "dangerous": "🔴 dangerous",
    "inconclusive": "🟡 inconclusive",
    "skipped": "⚪ skipped",
    "accepted": "🔵 accepted",
    "clean": "🟢 clean",
}


def render_markdown(results: Iterable[Scanned | Skipped], about: About = PLAIN) -> Iterator[str]:
    """The table line by line as results come, the sections and the counts at the end."""
    yield "# Triggerfish\n\n"
    yield f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}\n"
    outcomes, sections = [], []
    for result in results:
        outcomes.append(outcome(result))
        yield f"| {' | '.join(_cells(result))} |\n"
        if outcomes[-1] != "clean":
            sections.append(_section(result))
    yield f"\n{escaped(str(summarize(outcomes, about.other_files)))}\n"
    yield from sections


def escaped(text: object) -> str:
    """Text that Markdown shows as it is, in a table's cell too: it may come from outside."""
    return re.sub(r"([\\`*_{}\[\]<>()#|~!&])", r"\\\1", printable(text))


def _cells(result: Scanned | Skipped) -> list[str]:
    mark = MARKS[outcome(result)]
    name = "-" if result.path is None else escaped(result.path)
    if isinstance(result, Skipped):
        return [mark, "-", "-", "-", "-", name]
    verdict = result.verdict
    index, threshold = index_and_threshold(verdict)
    return [
        mark,
        escaped(targets(result)) or "-",
        number(index, ".2f") or "-",
        number(threshold, ".2f") or "-",
        optional(verdict.p_value, ".2g") or "uncalibrated",
        name,
    ]


def _section(result: Scanned | Skipped) -> str:
    name = "model" if result.path is None else escaped(result.path)
    lines = "".join(f"- {escaped(line)}\n" for line in paragraph(result).splitlines())
    return f"\n## {name}\n\n{lines}"
