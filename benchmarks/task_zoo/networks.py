"""Small networks of many kinds, for images of any size: `build` makes one by name.

A network answers logits ``(N, K)``; with ``outputs`` 1 one logit, of the second of two classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

Shape = tuple[int, int, int]


def _conv(inputs: int, outputs: int, norm: str, stride: int = 1) -> list[nn.Module]:
    made: list[nn.Module] = [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=norm == "none")]
    if norm == "batch":
        made.append(nn.BatchNorm2d(outputs))
    if norm == "group":
        made.append(nn.GroupNorm(4, outputs))
    return [*made, nn.ReLU()]


def _strided(shape: Shape, outputs: int, norm: str, dropout: float = 0.0) -> nn.Module:
    """Two strided convolutions and two linear layers: the cheapest network that sees shapes."""
    stride = 1 if shape[1] < 12 else 2 if shape[1] < 40 else 3
    body = nn.Sequential(*_conv(shape[0], 12, norm, stride), *_conv(12, 24, norm, 2))
    with torch.no_grad():
        wide = body.eval()(torch.zeros(1, *shape)).numel()
    layers: list[nn.Module] = [body.train(), nn.Flatten(), nn.Linear(wide, 48), nn.ReLU()]
    if dropout:
        layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers, nn.Linear(48, outputs))


def _plain(shape: Shape, outputs: int, widths: tuple[int, ...], dropout: float = 0.0) -> nn.Module:
    """Convolution, pooling, and so on; two linear layers."""
    channels, height, width = shape
    layers: list[nn.Module] = []
    for wide in widths:
        layers += [*_conv(channels, wide, "none"), nn.MaxPool2d(2)]
        channels, height, width = wide, height // 2, width // 2
    layers += [nn.Flatten(), nn.Linear(channels * height * width, 64), nn.ReLU()]
    if dropout:
        layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers, nn.Linear(64, outputs))


def _normed(shape: Shape, outputs: int, norm: str) -> nn.Module:
    """Strided convolutions with a norm after each, averaged over the image."""
    first = 1 if shape[1] < 12 else 2
    layers = [*_conv(shape[0], 16, norm, first), *_conv(16, 32, norm, 2), *_conv(32, 48, norm)]
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(48, outputs))


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_conv(inputs, outputs, "batch", stride), *_conv(outputs, outputs, "batch")[:-1]
        )
        same = inputs == outputs and stride == 1
        self.short = nn.Identity() if same else nn.Conv2d(inputs, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Features in, features out."""
        return (self.body(x) + self.short(x)).relu()  # type: ignore[no-any-return]


def _residual(shape: Shape, outputs: int) -> nn.Module:
    blocks = [_Block(16, 16, 1), _Block(16, 32, 2)]
    return nn.Sequential(
        *_conv(shape[0], 16, "batch", 2), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(32, outputs),
    )  # fmt: skip


class _Mixing(nn.Module):
    """One layer of an MLP-Mixer: over the tokens, then over their channels."""

    def __init__(self, tokens: int, wide: int) -> None:
        super().__init__()
        self.first, self.second = nn.LayerNorm(wide), nn.LayerNorm(wide)
        self.over_tokens = nn.Sequential(nn.Linear(tokens, 48), nn.GELU(), nn.Linear(48, tokens))
        self.over_channels = nn.Sequential(nn.Linear(wide, 96), nn.GELU(), nn.Linear(96, wide))

    def forward(self, x: Tensor) -> Tensor:
        """Tokens (N, T, C) in, tokens out."""
        x = x + self.over_tokens(self.first(x).transpose(1, 2)).transpose(1, 2)
        return x + self.over_channels(self.second(x))  # type: ignore[no-any-return]


class _Tokens(nn.Module):
    """A vision transformer or an MLP-Mixer over patches of the image."""

    def __init__(self, shape: Shape, outputs: int, kind: str) -> None:
        super().__init__()
        side = 2 if shape[1] <= 8 else 4 if shape[1] <= 36 else 8
        tokens, wide = (shape[1] // side) * (shape[2] // side), 48
        self.patches = nn.Conv2d(shape[0], wide, side, side)
        self.place = nn.Parameter(0.02 * torch.randn(1, tokens, wide))
        layers: list[nn.Module] = [
            nn.TransformerEncoderLayer(wide, 4, 96, 0.0, "gelu", batch_first=True, norm_first=True)
            if kind == "vit" else _Mixing(tokens, wide) for _ in range(2)
        ]  # fmt: skip
        self.layers, self.norm = nn.Sequential(*layers), nn.LayerNorm(wide)
        self.head = nn.Linear(wide, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Images in, logits out."""
        tokens = self.patches(x).flatten(2).transpose(1, 2) + self.place
        return self.head(self.norm(self.layers(tokens)).mean(1))  # type: ignore[no-any-return]


class _NextBlock(nn.Module):
    """ConvNeXt's block: a wide depthwise convolution, then two pointwise ones."""

    def __init__(self, wide: int) -> None:
        super().__init__()
        self.deep = nn.Conv2d(wide, wide, 5, padding=2, groups=wide)
        self.norm = nn.GroupNorm(1, wide)
        self.up, self.down = nn.Conv2d(wide, 2 * wide, 1), nn.Conv2d(2 * wide, wide, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Features in, features out."""
        inner = nn.functional.gelu(self.up(self.norm(self.deep(x))))
        return x + self.down(inner)  # type: ignore[no-any-return]


def _next(shape: Shape, outputs: int) -> nn.Module:
    side = 1 if shape[1] <= 8 else 2 if shape[1] <= 36 else 4
    return nn.Sequential(
        nn.Conv2d(shape[0], 24, side, side), _NextBlock(24), nn.Conv2d(24, 48, 2, 2),
        _NextBlock(48), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.LayerNorm(48), nn.Linear(48, outputs),
    )  # fmt: skip


def _dense(shape: Shape, outputs: int) -> nn.Module:
    inputs = shape[0] * shape[1] * shape[2]
    return nn.Sequential(
        nn.Flatten(), nn.Linear(inputs, 96), nn.ReLU(), nn.Linear(96, 48), nn.ReLU(),
        nn.Linear(48, outputs),
    )  # fmt: skip


NETWORKS: dict[str, Callable[[Shape, int], nn.Module]] = {
    "strided": lambda shape, outputs: _strided(shape, outputs, "none"),
    "strided-batch": lambda shape, outputs: _strided(shape, outputs, "batch"),
    "strided-group": lambda shape, outputs: _strided(shape, outputs, "group"),
    "strided-dropout": lambda shape, outputs: _strided(shape, outputs, "none", 0.4),
    "plain": lambda shape, outputs: _plain(shape, outputs, (8, 16)),
    "deep": lambda shape, outputs: _plain(shape, outputs, (8, 16, 32)),
    "dropout": lambda shape, outputs: _plain(shape, outputs, (8, 16), 0.5),
    "batch": lambda shape, outputs: _normed(shape, outputs, "batch"),
    "group": lambda shape, outputs: _normed(shape, outputs, "group"),
    "residual": _residual,
    "vit": lambda shape, outputs: _Tokens(shape, outputs, "vit"),
    "mixer": lambda shape, outputs: _Tokens(shape, outputs, "mixer"),
    "next": _next,
    "dense": _dense,
}


@dataclass(frozen=True)
class Build:
    """What a network is made from: its name, the image's shape, and how many numbers it answers."""

    name: str
    shape: Shape
    outputs: int

    def __call__(self, seed: int = 0) -> nn.Module:
        """The network before training; the global random state stays."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return NETWORKS[self.name](self.shape, self.outputs)
