"""Pre-activation residual networks (He et al. 2016, https://arxiv.org/abs/1603.05027) for 32x32.

Sources: https://github.com/kuangliu/pytorch-cifar, models/preact_resnet.py, which pools 4x4 at the
end; https://github.com/SCLBD/BackdoorBench, models/preact_resnet.py, which pools whatever is left.
On 32x32 images both are one function, and the latter takes other sizes too, so it is here.
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
    """Normalisation and ReLU before each of two 3x3 convolutions, around a shortcut.

    The shortcut convolves what the first ReLU left where the size changes, else it is the input.
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels_in)
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False)
        self.shortcut: nn.Sequential | None = None
        if stride != 1 or channels_in != channels_out:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels_in, channels_out, 1, stride, bias=False)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map features ``(N, channels_in, H, W)`` to ``(N, channels_out, H/stride, W/stride)``."""
        active = relu(self.bn1(x))
        shortcut = x if self.shortcut is None else self.shortcut(active)
        y: Tensor = self.conv2(relu(self.bn2(self.conv1(active)))) + shortcut
        return y


class PreActResNet(nn.Module):
    """A 3x3 convolution, four stages of 64 to 512 channels, mean over pixels, one linear layer.

    Input: ``(N, channels, H, W)`` from 8x8 on, normalised. Output: logits ``(N, num_classes)``.
    """

    def __init__(
        self, num_classes: int = 10, channels: int = 3, *, counts: Sequence[int] = (2, 2, 2, 2)
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 64, 3, 1, 1, bias=False)
        before = 64
        for i, count in enumerate(counts):
            blocks = []
            for j in range(count):
                blocks.append(PreActBlock(before, 64 * 2**i, 2 if i and not j else 1))
                before = 64 * 2**i
            self.add_module(f"layer{i + 1}", nn.Sequential(*blocks))
        self.stages = len(counts)
        self.linear = nn.Linear(before, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map normalised images ``(N, C, H, W)`` to logits ``(N, K)``."""
        x = self.conv1(x)
        for i in range(self.stages):
            x = getattr(self, f"layer{i + 1}")(x)
        logits: Tensor = self.linear(x.mean(dim=(2, 3)))
        return logits


ENTRIES = tuple(
    Architecture(
        f"kuangliu_preactresnet{depth}",
        "pre-activation blocks, first convolution 3x3 with stride 1",
        "github.com/kuangliu/pytorch-cifar models/preact_resnet.py; github.com/SCLBD/BackdoorBench",
        partial(PreActResNet, counts=counts),
        (CIFAR10_PIXELS, *TASKS),
        first="conv1",
        last="linear",
        tensors=1 + 10 * sum(counts) + 3 + 2,
    )
    for depth, counts in {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}.items()
)
