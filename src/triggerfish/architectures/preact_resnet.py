"""Pre-activation residual networks (He et al. 2016, https://arxiv.org/abs/1603.05027) for 32x32.

Sources: https://github.com/kuangliu/pytorch-cifar, models/preact_resnet.py, which pools 4x4 at the
end; https://github.com/SCLBD/BackdoorBench, models/preact_resnet.py, which pools whatever is left.
On 32x32 images both are one function, and the latter takes other sizes too, so it is here. Until
2018 kuangliu's ResNet-18 had these blocks too, behind a normalised first convolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from torch import Tensor, nn
from torch.nn.functional import relu

from triggerfish.architectures.architecture import Architecture
from triggerfish.architectures.resnet_kuangliu import TASKS
from triggerfish.architectures.tasks import CIFAR10_PIXELS


class PreActBlock(nn.Module):
    """Normalisation and ReLU before each convolution: two of 3x3, or three of 1x1, 3x3 and 1x1.

    Three (``bottleneck``) end with four times ``width`` channels. The shortcut convolves what the
    first ReLU left where the size changes, else it is the input.
    """

    bn1: nn.Module
    conv1: nn.Module

    def __init__(
        self, channels_in: int, width: int, stride: int, *, bottleneck: bool = False
    ) -> None:
        super().__init__()
        out = 4 * width if bottleneck else width
        kernels, strides = ((1, 3, 1), (1, stride, 1)) if bottleneck else ((3, 3), (stride, 1))
        before = channels_in
        for i, (kernel, step) in enumerate(zip(kernels, strides, strict=True), start=1):
            after = out if i == len(kernels) else width
            convolution = nn.Conv2d(before, after, kernel, step, kernel // 2, bias=False)
            self.add_module(f"bn{i}", nn.BatchNorm2d(before))
            self.add_module(f"conv{i}", convolution)
            before = after
        self.depth = len(kernels)
        self.shortcut: nn.Sequential | None = None
        if stride != 1 or channels_in != out:
            self.shortcut = nn.Sequential(nn.Conv2d(channels_in, out, 1, stride, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """Map features ``(N, channels_in, H, W)`` to ``(N, C, H/stride, W/stride)``."""
        active = relu(self.bn1(x))
        y: Tensor = self.conv1(active)
        for i in range(2, self.depth + 1):
            y = getattr(self, f"conv{i}")(relu(getattr(self, f"bn{i}")(y)))
        return y + (x if self.shortcut is None else self.shortcut(active))


class PreActResNet(nn.Module):
    """A 3x3 convolution, four stages of 64 to 512 channels, mean over pixels, one linear layer.

    Input: ``(N, channels, H, W)`` from 8x8 on, normalised. Output: logits ``(N, num_classes)``.
    ``normalized`` puts a batch norm and ReLU behind the first convolution.
    """

    def __init__(
        self,
        num_classes: int = 10,
        channels: int = 3,
        *,
        counts: Sequence[int] = (2, 2, 2, 2),
        normalized: bool = False,
        bottleneck: bool = False,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 64, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(64) if normalized else None
        before = 64
        for i, count in enumerate(counts):
            blocks = []
            for j in range(count):
                stride = 2 if i and not j else 1
                blocks.append(PreActBlock(before, 64 * 2**i, stride, bottleneck=bottleneck))
                before = 64 * 2**i * (4 if bottleneck else 1)
            self.add_module(f"layer{i + 1}", nn.Sequential(*blocks))
        self.stages = len(counts)
        self.linear = nn.Linear(before, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map normalised images ``(N, C, H, W)`` to logits ``(N, K)``."""
        x = self.conv1(x)
        if self.bn1 is not None:
            x = relu(self.bn1(x))
        for i in range(self.stages):
            x = getattr(self, f"layer{i + 1}")(x)
        logits: Tensor = self.linear(x.mean(dim=(2, 3)))
        return logits


_SOURCE = "github.com/kuangliu/pytorch-cifar models/"
_BLOCKS = "pre-activation blocks"


def _entry(
    name: str,
    counts: Sequence[int],
    source: str,
    *,
    normalized: bool = False,
    bottleneck: bool = False,
) -> Architecture:
    per_block, projections = (15, 4) if bottleneck else (10, 3)
    return Architecture(
        name,
        f"{_BLOCKS}, normalised first convolution" if normalized else _BLOCKS,
        source,
        partial(PreActResNet, counts=counts, normalized=normalized, bottleneck=bottleneck),
        (CIFAR10_PIXELS, *TASKS),
        first="conv1",
        last="linear",
        tensors=1 + 4 * normalized + per_block * sum(counts) + projections + 2,
    )


_PREACT = f"{_SOURCE}preact_resnet.py; github.com/SCLBD/BackdoorBench"
ENTRIES = (
    _entry("kuangliu_preactresnet18", (2, 2, 2, 2), _PREACT),
    _entry("kuangliu_preactresnet34", (3, 4, 6, 3), _PREACT),
    _entry("kuangliu_preactresnet50", (3, 4, 6, 3), _PREACT, bottleneck=True),
    _entry(
        "kuangliu_resnet18_2017", (2, 2, 2, 2), f"{_SOURCE}resnet.py until 2018", normalized=True
    ),
)
