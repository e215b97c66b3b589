"""The reports in a real browser: nothing is loaded, nothing complains, tables sort and filter.

Needs Chromium where a Linux distribution puts it (``apt install chromium``) and ``playwright``.
"""

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_up import EVERYTHING, clean, found
from verdicts import altered

from triggerfish.reports.html import render_html, render_page
from triggerfish.results import Scanned

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
if CHROMIUM is None:
    pytest.skip("no Chromium: apt install chromium", allow_module_level=True)
sync_api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")

WIDTHS = (390, 768, 1200)
THOUSAND = 1000

# WCAG 2.1, relative luminance and contrast ratio, of every text against what is behind it.
CONTRAST = """() => {
  const parse = (c) => (c.match(/[\\d.]+/g) || []).map(Number);
  const luminance = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const c = parse(getComputedStyle(e).backgroundColor);
      if (c.length && (c[3] ?? 1) === 1) return c;
    }
    return [255, 255, 255];
  };
  const bad = [];
  for (const e of document.querySelectorAll("body *")) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !e.getClientRects().length || e.closest("title, script, style")) continue;
    const style = getComputedStyle(e);
    const ink = parse(e.closest("svg") ? style.fill : style.color);
    const [x, y] = [luminance(ink), luminance(ground(e))];
    const ratio = (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
    if (ratio < 4.5) bad.push(`${e.tagName} ${e.textContent.trim().slice(0, 30)} ${ratio}`);
  }
  return bad;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


class Opened:
    """A page from disk, with everything that it asked for or complained about."""

    def __init__(self, browser: Any, file: Path, **options: Any) -> None:
        self.page = browser.new_context(**options).new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(file.as_uri())

    def shown(self) -> list[str]:
        """Names of the models in the table, from top to bottom."""
        links = self.page.locator("#models tbody tr:visible th").all_inner_texts()
        return [text.splitlines()[0] for text in links]


def numbered(i: int) -> Scanned:
    """A clean model with scores of its own."""
    index = tuple(v * i / THOUSAND for v in clean().verdict.anomaly_index)
    verdict = altered(clean().verdict, index=index)
    return replace(clean(), path=Path(f"zoo/model_{i:04}.pt"), verdict=verdict)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``many.html``, ``thousand.html`` and a page of each kind."""
    out = tmp_path_factory.mktemp("html")
    for name, make in EVERYTHING.items():
        (out / f"{name}.html").write_text(render_page(make()))
    (out / "many.html").write_text("".join(render_html([m() for m in EVERYTHING.values()])))
    models = [found(), *map(numbered, range(THOUSAND - 1))]
    (out / "thousand.html").write_text("".join(render_html(models)))
    return out


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", [*EVERYTHING, "many"])
def test_it_renders_alone_in_silence_and_readably(
    name: str, scheme: str, browser: Any, folder: Path
) -> None:
    file = folder / f"{name}.html"
    opened = Opened(browser, file, color_scheme=scheme)
    assert [url for url in opened.requests if not url.startswith("data:")] == [file.as_uri()]
    assert opened.complaints == []
    assert opened.page.evaluate(CONTRAST) == []
    broken = "() => [...document.images].filter((i) => i.complete && !i.naturalWidth).length"
    assert opened.page.evaluate(broken) == 0


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["found", "many", "dangerous"])
def test_nothing_is_wider_than_the_screen(
    name: str, width: int, browser: Any, folder: Path
) -> None:
    size = {"width": width, "height": 900}
    page = Opened(browser, folder / f"{name}.html", viewport=size).page
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_policy_of_the_page_forbids_the_network(browser: Any, folder: Path) -> None:
    opened = Opened(browser, folder / "many.html")
    opened.page.evaluate(
        "document.body.append(Object.assign(new Image(), {src: 'https://example.org/x.png'}))"
    )
    opened.page.wait_for_timeout(100)
    assert any("Content Security Policy" in text for text in opened.complaints)


def test_columns_sort_both_ways_and_what_has_no_value_comes_last(
    browser: Any, folder: Path
) -> None:
    opened = Opened(browser, folder / "many.html")
    assert opened.shown()[0] == "stranger model.pt"  # as it comes: what needs somebody first
    button = opened.page.get_by_role("button", name="model")
    button.click()
    names = opened.shown()
    assert names == sorted(names, key=str.lower)
    button.click()
    assert opened.shown() == names[::-1]
    index = opened.page.get_by_role("button", name="index / threshold")
    for _ in range(2):
        index.click()
        assert set(opened.shown()[-2:]) == {"evil.pt", r"\x1b[31m<b>|broken\n.pt"}
    assert opened.shown()[0] == "stranger model.pt"
    header = opened.page.get_by_role("columnheader", name="index / threshold")
    assert header.get_attribute("aria-sort") == "descending"


def test_the_keyboard_sorts_too(browser: Any, folder: Path) -> None:
    opened = Opened(browser, folder / "many.html")
    before = opened.shown()
    opened.page.get_by_role("button", name="model").focus()
    opened.page.keyboard.press("Enter")
    assert opened.shown() != before


def test_outcomes_and_words_filter(browser: Any, folder: Path) -> None:
    opened = Opened(browser, folder / "many.html")
    opened.page.get_by_role("checkbox", name="clean").uncheck()
    assert "good.pt" not in opened.shown()
    assert opened.page.locator("#shown").inner_text() == "5 of 6 shown"
    opened.page.get_by_role("searchbox").fill("evil OS.system")
    assert opened.shown() == ["evil.pt"]
    opened.page.get_by_role("searchbox").fill("nothing like it")
    assert opened.shown() == []


def test_a_row_leads_to_its_page_and_back(browser: Any, folder: Path) -> None:
    opened = Opened(browser, folder / "many.html")
    opened.page.get_by_role("link", name="unclear.pt").click()
    assert opened.page.locator("article:visible h1").all_inner_texts() == ["unclear.pt"]
    assert not opened.page.locator("#overview").is_visible()
    opened.page.locator("article:visible").get_by_role("link", name="all models").click()
    assert opened.page.locator("#overview").is_visible()
    assert opened.complaints == []


def test_a_thousand_models_stay_usable(browser: Any, folder: Path) -> None:
    file = folder / "thousand.html"
    assert file.stat().st_size < 10e6
    opened = Opened(browser, file)
    assert len(opened.shown()) == THOUSAND
    opened.page.get_by_role("searchbox").fill("model_0123")
    assert opened.shown() == ["model_0123.pt"]
    opened.page.get_by_role("searchbox").fill("")
    opened.page.get_by_role("button", name="index / threshold").click()
    assert opened.shown()[-1] == "stranger model.pt"


def test_a_printed_page_shows_everything(browser: Any, folder: Path) -> None:
    page = Opened(browser, folder / "found.html").page
    page.emulate_media(media="print")
    assert page.get_by_role("heading", name="Where it comes from").is_visible()
    content = page.pdf()
    assert len(re.findall(rb"/Type\s*/Page\b", content)) >= 2


def test_the_contrast_check_is_awake(browser: Any, folder: Path) -> None:
    page = Opened(browser, folder / "clean.html").page
    page.evaluate("document.body.style.color = '#bbbbbb'")
    assert page.evaluate(CONTRAST) != []
