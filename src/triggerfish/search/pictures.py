"""Synthetic images, seeded, for searches that need many inputs and no data.

A trigger fires on them nearly as on photographs (docs/method.md has the table). Dead leaves are
the classical model of natural images: discs and rectangles of power-law size that hide one another
(Lee, Mumford and Huang 2001; Baradad et al. 2021 trained networks on them). Clouds are noise with
the 1/f amplitude spectrum of photographs (Field 1987).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import conv2d, interpolate, pad

from triggerfish.search.activation_maximization import EVALUATED_VALUES

LEAVES = 40  # layers: enough to cover nearly all of the picture
SIZE_EXPONENT = 3.0  # radii are drawn with density r^-3, as in the scale-invariant model
GAP = 0.5  # share of black leaves in pictures with gaps, as on the dark ground of scanned digits
LARGEST = 64  # pixels a side that leaves are drawn with; larger pictures are enlarged from it

MOST_VALUES = 2**24
"""Values that the pictures of one pool may have: 64 MiB, 111 of them at 3 x 224 x 224. Making them
takes several times as much."""


def as_many(count: int, num_pixels: int) -> int:
    """How many of ``count`` pictures of ``num_pixels`` values may be held; a tenth at least."""
    return max(min(count, MOST_VALUES // num_pixels), count // 10, 1)


def pictures(count: int, shape: tuple[int, int, int], seed: int = 0) -> Tensor:
    """A mixture for any task: (count, C, H, W) in [0, 1], on the CPU.

    In color three quarters are dead leaves and one quarter clouds; in grey one quarter are dead
    leaves and the others dead leaves with black gaps.
    """
    generator = torch.Generator().manual_seed(seed)
    quarter = count // 4
    if shape[0] == 1:
        parts = [
            dead_leaves(quarter, shape, generator),
            dead_leaves(count - quarter, shape, generator, gap=GAP),
        ]
    else:
        parts = [
            clouds(quarter, shape, generator),
            dead_leaves(count - quarter, shape, generator),
        ]
    mixed = torch.cat(parts)
    del parts
    return mixed[torch.randperm(count, generator=generator)]


def dead_leaves(
    count: int, shape: tuple[int, int, int], generator: torch.Generator, gap: float = 0.0
) -> Tensor:
    """Discs and rectangles of random color, each over the last, slightly blurred: (N, C, H, W).

    ``gap`` is the share of them that is black.
    """
    channels, height, width = shape
    shrink = max(1.0, max(height, width) / LARGEST)
    high, wide = round(height / shrink), round(width / shrink)
    rows = torch.arange(high).view(1, high, 1)
    columns = torch.arange(wide).view(1, 1, wide)
    power = 1 - SIZE_EXPONENT
    small, large = ((part * min(high, wide)) ** power for part in (0.05, 0.5))
    colors = [_colors(count, channels, gap, generator)]
    # Which leaf is on top of each pixel: a byte, where the colors themselves would be three floats.
    top = torch.zeros(count, high, wide, dtype=torch.uint8)
    for number in range(1, LEAVES + 1):
        down = rows - torch.rand(count, 1, 1, generator=generator) * high
        across = columns - torch.rand(count, 1, 1, generator=generator) * wide
        # Between a twentieth and a half of the picture, by inverting the law r^-3.
        u = torch.rand(count, 1, 1, generator=generator)
        radius: Tensor = (small + u * (large - small)) ** (1 / power)
        aspect = _uniform(count, 0.4, 2.5, generator)
        is_disc = torch.rand(count, 1, 1, generator=generator) < 0.5
        # Whatever can be said of a row or a column alone is: pixels are many.
        disc = down**2 + across**2 < torch.where(is_disc, radius**2, 0.0)
        high_enough = (down.abs() * aspect < radius * 0.9) & ~is_disc
        inside = disc.logical_or_(high_enough & (across.abs() / aspect < radius * 0.9))
        top.masked_fill_(inside, number)
        colors.append(_colors(count, channels, gap, generator))
    palette = torch.stack(colors, 2).flatten(3).squeeze(3)  # (N, C, LEAVES + 1)
    index = top.view(count, 1, -1).long().expand(-1, channels, -1)
    image = palette.gather(2, index).view(count, channels, high, wide)
    # A few large pictures at a time: a convolution of three channels pads them to sixteen.
    together = max(1, EVALUATED_VALUES // (channels * height * width))
    size = (height, width) if shrink > 1 else None
    return torch.cat([_finished(part, size) for part in torch.split(image, together)])


def clouds(count: int, shape: tuple[int, int, int], generator: torch.Generator) -> Tensor:
    """Noise of amplitude 1/f, each picture stretched to a random contrast: (N, C, H, W)."""
    channels, height, width = shape
    frequency = torch.hypot(
        torch.fft.fftfreq(height).view(-1, 1), torch.fft.rfftfreq(width).view(1, -1)
    )
    amplitude = 1 / frequency.clamp_min(1 / max(height, width))
    white = torch.randn(count, channels, height, width, generator=generator)
    common = torch.randn(count, 1, height, width, generator=generator)  # channels go together
    noise = torch.fft.irfft2(torch.fft.rfft2(white + 2 * common) * amplitude, s=(height, width))
    noise = (noise - noise.mean((2, 3), keepdim=True)) / noise.std((1, 2, 3), keepdim=True)
    level = torch.rand(count, channels, 1, 1, generator=generator) * 0.6 + 0.2
    contrast = _uniform(count, 0.1, 0.35, generator).unsqueeze(1)
    stretched: Tensor = level + contrast * noise
    return stretched.clamp_(0.0, 1.0)


def _colors(count: int, channels: int, gap: float, generator: torch.Generator) -> Tensor:
    """A flat color per picture (N, C, 1, 1), of random saturation; a share ``gap`` is black."""
    color = torch.rand(count, channels, 1, 1, generator=generator)
    grey = torch.rand(count, 1, 1, 1, generator=generator)
    saturation = torch.rand(count, 1, 1, 1, generator=generator)
    dark = torch.rand(count, 1, 1, 1, generator=generator) < gap
    return torch.lerp(grey.expand_as(color), color, saturation).masked_fill_(dark, 0.0)


def _uniform(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    return torch.rand(count, 1, 1, generator=generator) * (high - low) + low


def _finished(image: Tensor, size: tuple[int, int] | None) -> Tensor:
    """Pictures (N, C, h, w) enlarged to ``size`` where there is one, and blurred.

    The blur is binomial, (1, 2, 1) / 4 along both axes, the border repeated.
    """
    if size is not None:
        image = interpolate(image, size, mode="bilinear", align_corners=False)
    channels = image.shape[1]
    kernel = torch.tensor([1.0, 2.0, 1.0]) / 4
    kernel = (kernel.view(3, 1) * kernel).expand(channels, 1, 3, 3)
    return conv2d(pad(image, (1, 1, 1, 1), mode="replicate"), kernel, groups=channels)
