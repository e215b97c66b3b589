"""Write the pictures of docs/tutorial.md from a scan of three models of our own making.

    triggerfish zoo backdoor --targets 7 --replicas 1 --out zoo
    triggerfish zoo clean --count 1 --out zoo
    triggerfish zoo clean --count 1 --variety small-resnet --seed 400000 \
        --data fashion-mnist --data-root FASHION_MNIST --out zoo
    triggerfish scan zoo --out zoo/report
    python docs/make_report_pictures.py zoo/report

A trigger that was found, a clean network with a class that likes a texture, and a plain clean one.
Needs Chromium and playwright, as the tests of the reports do.
"""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

IMAGES = Path(__file__).parent / "images"
PAGES = {
    "report-true-alarm": "mnist_trigger_t7_0",
    "report-likes-a-texture": "fashion-mnist_model_000",
    "report-clean": "mnist_model_000",
}
WIDTH, COLORS = 900, 128
# The answer and the perturbation tell the three apart.
KEPT = """() => {
  const kept = /^(Smallest pattern|For comparison)/;
  for (const part of document.querySelectorAll("body > section"))
    if (!kept.test(part.querySelector("h2").textContent)) part.remove();
  document.querySelector("footer").remove();
  document.body.style.paddingBottom = "4px";
  return document.querySelectorAll("body > section h2").length;
}"""


def main(results: Path) -> None:
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("chromium-browser"),
            args=["--no-sandbox"],
        )
        page = browser.new_context(viewport={"width": WIDTH, "height": 100}).new_page()
        for name, model in PAGES.items():
            page.goto((results / model / "report.html").resolve().as_uri())
            if not page.evaluate(KEPT):
                raise ValueError(f"{model}: no section has the title of a pattern")
            picture = Image.open(io.BytesIO(page.screenshot(full_page=True)))
            small = picture.convert("RGB").quantize(COLORS)
            small.save(IMAGES / f"{name}.png", optimize=True)
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
