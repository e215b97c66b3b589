"""Baseline images: what an optimisation starts from, and what its change is measured against."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor, nn

from triggerfish.model.classifier import Classifier

Baseline = float | str
"""A grey level in [0, 1], or the path of an image file, which is resized to the input."""


def check_baselines(baselines: tuple[Baseline, ...]) -> None:
    """Raise `ValueError` unless there is one, every level is in [0, 1] and every file exists."""
    if not baselines:
        raise ValueError("expected at least one baseline, got none")
    for baseline in baselines:
        if isinstance(baseline, str):
            if not Path(baseline).is_file():
                raise ValueError(f"expected a baseline image, got no file at {baseline}")
        elif not 0 <= baseline <= 1:
            raise ValueError(f"expected baseline levels in [0, 1], got {baseline}")


def baseline_images(baselines: tuple[Baseline, ...], classifier: Classifier) -> Tensor:
    """All baselines as images (B, C, H, W) in [0, 1] on the classifier's device."""
    images, (channels, height, width) = [], classifier.input_shape
    mode = {1: "L", 3: "RGB", 4: "RGBA"}.get(channels)
    for baseline in baselines:
        if not isinstance(baseline, str):
            images.append(torch.full(classifier.input_shape, float(baseline)))
            continue
        if mode is None:
            raise ValueError(f"expected 1, 3 or 4 channels for a baseline image, got {channels}")
        try:
            with Image.open(baseline) as file:
                pixels = np.asarray(file.convert(mode).resize((width, height)), dtype=np.float32)
        except (UnidentifiedImageError, OSError) as error:
            raise ValueError(f"expected an image file, got {baseline}: {error}") from error
        rows = torch.from_numpy(pixels / 255).reshape(height, width, channels)
        images.append(rows.permute(2, 0, 1))
    return torch.stack(images).to(classifier.device, classifier.dtype)


def cloud_images(brightness: tuple[float, ...], classifier: Classifier, seed: int) -> Tensor:
    """Blurred noise (B, C, H, W) from 0 to each ``brightness``; each cloud has another shape."""
    images = []
    for number, top in enumerate(brightness):
        generator = torch.Generator().manual_seed(seed + number)
        noise = torch.rand((1, *classifier.input_shape), generator=generator)
        images.append(top * blurred(noise))
    return torch.cat(images).to(classifier.device, classifier.dtype)


def blurred(noise: Tensor) -> Tensor:
    """Noise (N, C, H, W) in [0, 1], averaged over squares of five pixels, its spread restored."""
    mean = nn.functional.avg_pool2d(noise, 5, stride=1, padding=2, count_include_pad=False)
    return ((mean - 0.5) * 4 + 0.5).clamp(0.0, 1.0)
