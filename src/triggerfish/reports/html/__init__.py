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
from triggerfish.reports.html.page import page, skipped_page
from triggerfish.results import Scanned, Skipped

MOST_PAGES = 100
"""Pages inside the overview's own file; with more models, those of the most suspicious."""


def render_html(results: Iterable[Scanned | Skipped], about: About = PLAIN) -> Iterator[str]:
    """One document, at the end: the page of a single model, or an overview with pages inside."""
    rows: list[Row] = []
    pages: list[tuple[int, float, int, str]] = []  # a heap, the least suspicious first
    for number, result in enumerate(results):
        entry = row(result, f"#model-{number}")
        rows.append(entry)
        key = (-entry.rank, entry.index if math.isfinite(entry.index) else -math.inf, -number)
        if len(pages) < MOST_PAGES:
            heapq.heappush(pages, (*key, render_article(result, number)))
        elif key > pages[0][:3]:
            heapq.heapreplace(pages, (*key, render_article(result, number)))
    if len(rows) == 1:
        yield _document(f"Triggerfish: {rows[0].name}", pages[0][-1])
    else:
        kept = sorted((-negative, text) for *_, negative, text in pages)
        yield render_overview(rows, about, kept)


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
