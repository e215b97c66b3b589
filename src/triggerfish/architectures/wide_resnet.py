"""Wide residual networks (Zagoruyko and Komodakis 2016, https://arxiv.org/abs/1605.07146), 32x32.

Source: https://github.com/xternalz/WideResNet-pytorch, wideresnet.py, whose names the attack and
defence repositories took over (https://github.com/bboylyg/NAD, models/wresnet.py).
"""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn
from torch.nn.functional import relu

from triggerfish.architectures.architecture import Architecture
from triggerfish.architectures.tasks import CIFAR10, CIFAR100, GTSRB


class WideBlock(nn.Module):
    """Normalisation and ReLU before each of two 3x3 convolutions, around a shortcut.

    Where the width changes, both ways start from what the first ReLU left, and the shortcut
    convolves it.
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels_in)
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False)
        self.convShortcut: nn.Conv2d | None = None
        if channels_in != channels_out:
            self.convShortcut = nn.Conv2d(channels_in, channels_out, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map features ``(N, channels_in, H, W)`` to ``(N, channels_out, H/stride, W/stride)``."""
        active = relu(self.bn1(x))
        shortcut = x if self.convShortcut is None else self.convShortcut(active)
        y: Tensor = self.conv2(relu(self.bn2(self.conv1(active)))) + shortcut
        return y


class Stage(nn.Module):
    """Blocks one after another, under the name ``layer``."""

    def __init__(self, count: int, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        first = WideBlock(channels_in, channels_out, stride)
        rest = (WideBlock(channels_out, channels_out, 1) for _ in range(count - 1))
        self.layer = nn.Sequential(first, *rest)

    def forward(self, x: Tensor) -> Tensor:
        """Map features ``(N, channels_in, H, W)`` to ``(N, channels_out, H/stride, W/stride)``."""
        y: Tensor = self.layer(x)
        return y


class WideResNet(nn.Module):
    """``(depth - 4) / 6`` blocks in each of three stages of 16, 32, 64 times ``width`` channels.

    Input: ``(N, channels, 32, 32)``, normalised. Output: logits ``(N, num_classes)``.
    """

    def __init__(
        self, num_classes: int = 10, channels: int = 3, *, depth: int = 16, width: int = 1
    ) -> None:
        super().__init__()
        count = (depth - 4) // 6
        widths = [16 * width, 32 * width, 64 * width]
        self.conv1 = nn.Conv2d(channels, 16, 3, 1, 1, bias=False)
        self.block1 = Stage(count, 16, widths[0], 1)
        self.block2 = Stage(count, widths[0], widths[1], 2)
        self.block3 = Stage(count, widths[1], widths[2], 2)
        self.bn1 = nn.BatchNorm2d(widths[2])
        self.fc = nn.Linear(widths[2], num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map normalised images ``(N, C, 32, 32)`` to logits ``(N, K)``."""
        x = self.block3(self.block2(self.block1(self.conv1(x))))
        logits: Tensor = self.fc(relu(self.bn1(x)).mean(dim=(2, 3)))
        return logits


# train.py of the source: means and std of the pixels, in units of 255.
_TASK = CIFAR10.normalized(
    (125.3 / 255, 123.0 / 255, 113.9 / 255), (63.0 / 255, 62.1 / 255, 66.7 / 255)
)

ENTRIES = tuple(
    Architecture(
        f"xternalz_wrn_{depth}_{width}",
        f"depth {depth}, width {width}",
        "github.com/xternalz/WideResNet-pytorch wideresnet.py; github.com/bboylyg/NAD",
        partial(WideResNet, depth=depth, width=width),
        (_TASK, CIFAR10, CIFAR100, GTSRB),
        first="conv1",
        last="fc",
        tensors=1 + 10 * 3 * ((depth - 4) // 6) + (2 if width == 1 else 3) + 4 + 2,
    )
    for depth, width in ((16, 1), (16, 2), (40, 1), (40, 2), (28, 10))
)
