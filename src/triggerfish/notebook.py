"""An array as a picture in a notebook, which needs no other file."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 168
"""Pixels of the page along the longer side."""


def picture_tag(delta: NDArray[np.float32], title: str) -> str:
    """An ``img`` element with a perturbation (C, H, W), amplified on grey; ``title`` is plain."""
    largest = float(np.abs(delta).max()) if delta.size else 0.0
    shown = np.clip(0.5 + delta * (0.5 / largest if largest > 0 else 0.0), 0.0, 1.0)
    if shown.shape[0] != 3:
        shown = shown.mean(0, keepdims=True).repeat(3, axis=0)
    values = (shown.transpose(1, 2, 0) * 255).round().astype(np.uint8)
    image = Image.fromarray(values)
    scale = SIDE / max(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), 0)
    data = io.BytesIO()
    image.save(data, format="PNG")
    encoded = base64.b64encode(data.getvalue()).decode("ascii")
    return f'<img alt="{title}" title="{title}" src="data:image/png;base64,{encoded}">'
