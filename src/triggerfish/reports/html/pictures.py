"""Tensors -> pictures inside an HTML page: small PNG files as data URIs."""

from __future__ import annotations

import base64
import io
import math

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from triggerfish.reports.half_blocks import amplified
from triggerfish.reports.images import render_image
from triggerfish.results import Stamp

MOST_SIDE = 112
"""Larger pictures are averaged down to this many pixels a side: a page must stay small."""


def picture(image: Tensor) -> str:
    """The data URI of an image (C, H, W) in [0, 1]."""
    side = max(image.shape[-2:])
    if side > MOST_SIDE:
        scale = MOST_SIDE / side
        height, width = (max(1, round(n * scale)) for n in image.shape[-2:])
        image = adaptive_avg_pool2d(image.float(), (height, width))
    return data_uri(render_image(image))


def perturbation_picture(delta: Tensor) -> str | None:
    """The data URI of a perturbation (C, H, W), amplified on grey; None where it is not known."""
    if bool(delta.isnan().any()) or not delta.numel():
        return None
    return picture(amplified(delta))


def amplification(delta: Tensor) -> float:
    """By how much `change_picture` multiplies: half of the range over the largest value."""
    largest = float(delta.abs().max()) if delta.numel() else math.nan
    return 0.5 / largest if largest > 0 else math.nan


def perturbed(pictures: Tensor, delta: Tensor) -> Tensor:
    """Pictures (P, C, H, W) with the perturbation (C, H, W) added, as the network sees them."""
    return (pictures + delta).clamp(0, 1)


def stamped(pictures: Tensor, stamp: Stamp) -> Tensor:
    """Pictures (P, C, H, W) with the stamp in their pixels' place."""
    return torch.where(stamp.mask > 0, stamp.image, pictures)


def stamp_picture(stamp: Stamp) -> Tensor:
    """The stamp (C, H, W) on mid-grey."""
    return torch.where(stamp.mask > 0, stamp.image, torch.full_like(stamp.image, 0.5))


def matrix_picture(values: Tensor, top: float) -> str:
    """The data URI of a matrix (R, C), a pixel a value: white at 0, dark blue at ``top``.

    What is NaN is transparent, what is negative white.
    """
    share = (values.nan_to_num(0.0) / top).clamp(0, 1).unsqueeze(-1)
    pale, dark = torch.tensor([246.0, 249.0, 252.0]), torch.tensor([8.0, 48.0, 107.0])
    color = pale + (dark - pale) * share.float()
    alpha = torch.where(values.isnan(), 0.0, 255.0).unsqueeze(-1)
    return data_uri(_rgba(torch.cat([color, alpha.float()], dim=-1)))


def data_uri(png: bytes) -> str:
    """PNG bytes as a URI that needs no other file."""
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


def _rgba(values: Tensor) -> bytes:
    """PNG bytes of (H, W, 4) in 0..255."""
    data = io.BytesIO()
    Image.fromarray(values.round().to(torch.uint8).numpy(), "RGBA").save(data, format="PNG")
    return data.getvalue()
