"""Write docs/images/demo.png from what `make demo` left in ./demo: ``make picture``."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "docs" / "images" / "demo.png"
SHEETS = {
    "clean model": "mnist_model_000",
    "backdoored model, target class 7": "mnist_trigger_t7_0",
}
TITLE = 22  # pixels above each sheet


def stacked(sheets: dict[str, Image.Image]) -> Image.Image:
    """Pictures one below the other, each under its title."""
    width = max(sheet.width for sheet in sheets.values())
    height = sum(sheet.height + TITLE for sheet in sheets.values())
    canvas, top = Image.new("RGB", (width, height), "white"), 0
    draw = ImageDraw.Draw(canvas)
    for title, sheet in sheets.items():
        draw.text((4, top + 6), title, fill="black")
        canvas.paste(sheet, (0, top + TITLE))
        top += sheet.height + TITLE
    return canvas


if __name__ == "__main__":
    TARGET.parent.mkdir(exist_ok=True)
    results = ROOT / "demo" / "ensemble"
    sheets = {title: Image.open(results / name / "classes.png") for title, name in SHEETS.items()}
    stacked(sheets).quantize(64).save(TARGET, optimize=True)
