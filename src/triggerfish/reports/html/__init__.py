"""HTML: a page per model, an overview of many; one file each, that loads nothing and needs none.

The templates are Jinja2's, which escapes whatever comes from outside; the charts are SVG by hand.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined

from triggerfish._version import __version__
from triggerfish.reports.about import PLAIN, About
from triggerfish.reports.html.overview import Row, overview, row
from triggerfish.reports.html.page import file_name, page, skipped_page
from triggerfish.reports.html.repair_page import (
    RepairReport,
    outcome_of,
    problems_of,
    retried_view,
)
from triggerfish.results import Scanned, Skipped

REPORT = "report.html"
MOST_PAGES = 100
"""Pages inside the overview's own file; with more models, those of the most suspicious."""


class HtmlReport:
    """A document that grows by results; it keeps rows and at most `MOST_PAGES` pages of them."""

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self._pages: list[tuple[int, float, int, str]] = []  # a heap, the least suspicious first

    def add(self, result: Scanned | Skipped, link: str | None = None) -> None:
        """A row of ``result``, whose page is at ``link``, or inside the document when None."""
        number = len(self._rows)
        entry = row(result, f"#model-{number}" if link is None else link)
        self._rows.append(entry)
        if link is not None:
            return
        key = (-entry.rank, entry.index if math.isfinite(entry.index) else -math.inf, -number)
        if len(self._pages) < MOST_PAGES:
            heapq.heappush(self._pages, (*key, render_article(result, number)))
        elif key > self._pages[0][:3]:
            heapq.heapreplace(self._pages, (*key, render_article(result, number)))

    def render(self, about: About = PLAIN) -> str:
        """The document: the page of a single model, or an overview with pages inside."""
        if len(self._rows) == len(self._pages) == 1:
            return _document(f"Triggerfish: {self._rows[0].name}", self._pages[0][-1])
        pages = sorted((-negative, text) for *_, negative, text in self._pages)
        return render_overview(self._rows, about, pages)


def render_html(results: Iterable[Scanned | Skipped], about: About = PLAIN) -> Iterator[str]:
    """One document, in one piece at the end."""
    report = HtmlReport()
    for result in results:
        report.add(result)
    yield report.render(about)


def render_page(result: Scanned | Skipped) -> str:
    """The document of one result."""
    return "".join(render_html([result]))


def render_article(result: Scanned | Skipped, number: int = 0) -> str:
    """The page of one result, without the document; ``number`` keeps its ids from others'."""
    template = _templates().get_template("page.html.j2")
    if isinstance(result, Skipped):
        return template.render(skipped=skipped_page(result), p=None, number=number)
    return template.render(p=page(result), skipped=None, number=number)


def render_overview(
    rows: Sequence[Row], about: About = PLAIN, pages: Sequence[tuple[int, str]] = ()
) -> str:
    """The document of many results; ``pages`` are (number, article) of those inside it."""
    numbers = {f"#model-{number}" for number, _ in pages}
    template = _templates().get_template("overview.html.j2")
    shown = overview(rows, about)
    missing = sum(r.link.startswith("#") and r.link not in numbers for r in rows)
    body = template.render(o=shown, pages=pages, inside=numbers, missing=missing)
    return _document("Triggerfish: overview", body)


def render_repair(report: RepairReport) -> str:
    """The document of a repair, with the pages of both scans inside."""
    scans = {"before": report.before, "after": report.after}
    template = _templates().get_template("repair.html.j2")
    name = file_name(report.before)
    body = template.render(
        r=report,
        name=name,
        problems=problems_of(report),
        outcome=outcome_of(report),
        views=[retried_view(one, report.before.class_names) for one in report.retried],
        articles=[(f"scan {k}", render_article(v, i)) for i, (k, v) in enumerate(scans.items())],
    )
    return _document(f"Triggerfish: repair of {name}", body)


def _document(title: str, body: str) -> str:
    template = _templates().get_template("document.html.j2")
    style, script = (_text(name) for name in ("style.css", "overview.js"))
    return template.render(title=title, body=body, style=style, script=script, version=__version__)


def _text(name: str) -> str:
    return (resources.files(__package__) / "templates" / name).read_text("utf-8")


@lru_cache(maxsize=1)
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("triggerfish.reports.html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
