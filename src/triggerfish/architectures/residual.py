"""Residual networks (He et al. 2016, https://arxiv.org/abs/1512.03385): blocks, stages, the whole.

The published implementations differ in widths, in the first layers, in how a shortcut changes size
and in the names of two layers; all that is a setting here.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Protocol

from torch import Tensor, nn
from torch.nn.functional import pad, relu


class Subsampled(nn.Module):
    """The shortcut without weights (option A): every second pixel, zero channels on both sides."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.missing = channels_out - channels_in
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Map features ``(N, channels_in, H, W)`` to ``(N, channels_out, H/stride, W/stride)``."""
        before = self.missing // 2
        thinned = x[:, :, :: self.stride, :: self.stride]
        return pad(thinned, (0, 0, 0, 0, before, self.missing - before))


def projected(channels_in: int, channels_out: int, stride: int) -> nn.Sequential:
    """The shortcut with weights (option B): a 1x1 convolution and batch normalisation."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 1, stride, bias=False), nn.BatchNorm2d(channels_out)
    )


class Shortcut(Protocol):
    """Makes a shortcut between features of different sizes."""

    def __call__(self, channels_in: int, channels_out: int, stride: int) -> nn.Module:
        """A module from the one size to the other."""
        ...


class Block(nn.Module):
    """Two 3x3 convolutions, or three of 1x1, 3x3 and 1x1, around a shortcut.

    Three (``bottleneck``) have four times ``width`` channels at the end, and ``inner`` channels in
    ``groups`` groups between; ``name`` is what the shortcut is called.
    """

    def __init__(
        self,
        channels_in: int,
        width: int,
        stride: int,
        *,
        shortcut: Shortcut,
        name: str,
        bottleneck: bool = False,
        inner: int | None = None,
        groups: int = 1,
    ) -> None:
        super().__init__()
        self.depth, self.name = (3, name) if bottleneck else (2, name)
        out = 4 * width if bottleneck else width
        if bottleneck:
            inner = inner or width
            self.conv1 = nn.Conv2d(channels_in, inner, 1, bias=False)
            self.conv2 = nn.Conv2d(inner, inner, 3, stride, 1, groups=groups, bias=False)
            self.conv3 = nn.Conv2d(inner, out, 1, bias=False)
            self.bn1, self.bn2, self.bn3 = map(nn.BatchNorm2d, (inner, inner, out))
        else:
            self.conv1 = nn.Conv2d(channels_in, width, 3, stride, 1, bias=False)
            self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
            self.bn1, self.bn2 = map(nn.BatchNorm2d, (width, width))
        changes = stride != 1 or channels_in != out
        self.add_module(name, shortcut(channels_in, out, stride) if changes else nn.Identity())

    def forward(self, x: Tensor) -> Tensor:
        """Map features ``(N, channels_in, H, W)`` to ``(N, C, H/stride, W/stride)``."""
        y = self.bn2(self.conv2(relu(self.bn1(self.conv1(x)))))
        if self.depth == 3:
            y = self.bn3(self.conv3(relu(y)))
        return relu(y + getattr(self, self.name)(x))


class ResNet(nn.Module):
    """First layers, ``len(counts)`` stages that each halve the sides, mean over pixels, one layer.

    Input: ``(N, channels, H, W)`` of any size that the strides leave a pixel of, normalised.
    Output: logits ``(N, num_classes)``. ``kernel`` and ``stride`` are those of the first
    convolution, ``pool`` follows it; ``output`` names the last layer. Further settings are those
    of `Block`.
    """

    def __init__(
        self,
        num_classes: int,
        channels: int,
        *,
        counts: Sequence[int],
        width: int = 64,
        kernel: int = 3,
        stride: int = 1,
        pool: nn.Module | None = None,
        output: str = "fc",
        shortcut: Shortcut = projected,
        name: str = "downsample",
        bottleneck: bool = False,
        groups: int = 1,
        base_width: int = 64,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, kernel, stride, kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.pool = pool or nn.Identity()
        make = partial(
            Block, shortcut=shortcut, name=name, bottleneck=bottleneck, groups=groups
        )  # fmt: skip
        before, expansion = width, 4 if bottleneck else 1
        for i, count in enumerate(counts):
            wide = width * 2**i
            inner = wide * base_width // 64 * groups
            blocks = []
            for j in range(count):
                blocks.append(make(before, wide, 2 if i and not j else 1, inner=inner))
                before = wide * expansion
            self.add_module(f"layer{i + 1}", nn.Sequential(*blocks))
        self.stages, self.output = len(counts), output
        self.add_module(output, nn.Linear(before, num_classes))

    def forward(self, x: Tensor) -> Tensor:
        """Map normalised images ``(N, C, H, W)`` to logits ``(N, K)``."""
        x = self.pool(relu(self.bn1(self.conv1(x))))
        for i in range(self.stages):
            x = getattr(self, f"layer{i + 1}")(x)
        logits: Tensor = getattr(self, self.output)(x.mean(dim=(2, 3)))
        return logits


def tensors(counts: Sequence[int], *, bottleneck: bool = False, projections: int = 0) -> int:
    """Entries of the state dict without counters: a convolution and its batch norm have five."""
    per_block = 3 if bottleneck else 2
    return 5 * (1 + per_block * sum(counts) + projections) + 2
