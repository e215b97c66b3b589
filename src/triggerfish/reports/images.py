"""Synthesized images as PNG: one class alone, and all classes on one sheet."""

from __future__ import annotations

import io

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from triggerfish.results import Scanned

TILE, CAPTION, MARGIN = 112, 14, 4  # pixels of the contact sheet
LARGEST_SHEET = 100  # classes; with more, the most suspicious ones
FLAGGED, PLAIN, GROUND = (200, 30, 30), (90, 90, 90), (255, 255, 255)


def render_image(image: Tensor) -> bytes:
    """PNG bytes of an image ``(C, H, W)`` in [0, 1], one pixel a value."""
    return _png(to_pillow(image))


def to_pillow(image: Tensor) -> Image.Image:
    """Grey for one channel, RGB for three; otherwise the channels side by side, in grey."""
    values = (image.clamp(0, 1) * 255).round().to(torch.uint8)
    if values.shape[0] == 3:
        return Image.fromarray(values.permute(1, 2, 0).contiguous().numpy(), "RGB")
    return Image.fromarray(torch.cat(list(values), dim=1).contiguous().numpy(), "L")


def render_contact_sheet(result: Scanned) -> bytes:
    """PNG bytes: the image of every class with its anomaly index, flagged classes framed in red.

    Of more than 100 classes it shows the 100 with the largest anomaly index.
    """
    shown = torch.tensor(result.scores.classes)
    if len(shown) > LARGEST_SHEET:
        index = torch.tensor(result.verdict.anomaly_index).nan_to_num(-torch.inf)[shown]
        shown = shown[index.argsort(descending=True, stable=True)[:LARGEST_SHEET]]
    columns = min(5 if len(shown) <= 10 else 10, len(shown))
    rows = -(-len(shown) // columns)
    width, height = TILE + 2 * MARGIN, TILE + CAPTION + 2 * MARGIN
    sheet = Image.new("RGB", (columns * width, rows * height), GROUND)
    for place, label in enumerate(shown.tolist()):
        corner = (place % columns * width, place // columns * height)
        sheet.paste(_tile(result, label, (width, height)), corner)
    return _png(sheet)


def _tile(result: Scanned, label: int, size: tuple[int, int]) -> Image.Image:
    flagged = label in result.verdict.flagged
    colour = FLAGGED if flagged else PLAIN
    tile = Image.new("RGB", size, GROUND)
    draw = ImageDraw.Draw(tile)
    image = to_pillow(result.scores.images[result.scores.classes.index(label)]).convert("RGB")
    scale = TILE / max(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), 0)
    box = (MARGIN - 2, MARGIN - 2, MARGIN + TILE + 1, MARGIN + TILE + 1)
    draw.rectangle(box, outline=colour, width=2 if flagged else 1)
    tile.paste(image, (MARGIN, MARGIN))
    caption = f"{label}: {result.verdict.anomaly_index[label]:.2f}"
    draw.text((MARGIN, TILE + 2 * MARGIN - 1), caption, fill=colour)
    return tile


def _png(image: Image.Image) -> bytes:
    data = io.BytesIO()
    image.save(data, format="PNG")
    return data.getvalue()
