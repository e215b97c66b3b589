"""MobileNetV2 (Sandler et al. 2018, https://arxiv.org/abs/1801.04381), torchvision's and for 32x32.

Sources: https://github.com/pytorch/vision, torchvision/models/mobilenetv2.py, and
https://github.com/kuangliu/pytorch-cifar, models/mobilenetv2.py, which has ReLU for ReLU6, halves
the size two times less, and convolves the shortcuts of blocks that only change the width.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import relu

from triggerfish.architectures.architecture import Architecture
from triggerfish.architectures.chain import chain
from triggerfish.architectures.mobile_blocks import conv_norm
from triggerfish.architectures.resnet_kuangliu import TASKS
from triggerfish.architectures.tasks import CIFAR10, CIFAR100, GTSRB, IMAGENET, TINY_IMAGENET

# Table 2 of the paper: expansion, channels, blocks, stride of the first.
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


class TorchvisionBlock(nn.Module):
    """Widen, filter each channel, narrow; added to the input where the sizes allow it."""

    def __init__(self, channels_in: int, channels_out: int, expansion: int, stride: int) -> None:
        super().__init__()
        wide = expansion * channels_in
        widen = [] if expansion == 1 else [conv_norm(channels_in, wide, activation=nn.ReLU6)]
        self.conv = nn.Sequential(
            *widen,
            conv_norm(wide, wide, 3, stride, activation=nn.ReLU6, groups=wide),
            nn.Conv2d(wide, channels_out, 1, bias=False),
            nn.BatchNorm2d(channels_out),
        )
        self.adds = stride == 1 and channels_in == channels_out

    def forward(self, x: Tensor) -> Tensor:
        """Map features ``(N, channels_in, H, W)`` to ``(N, channels_out, H/stride, W/stride)``."""
        y: Tensor = self.conv(x)
        return x + y if self.adds else y


def torchvision(num_classes: int = 1000, channels: int = 3) -> nn.Sequential:
    """Images ``(N, channels, H, W)`` of any size, normalised -> logits ``(N, num_classes)``."""
    layers: list[nn.Module] = [conv_norm(channels, 32, 3, 2, activation=nn.ReLU6)]
    before = 32
    for expansion, width, count, stride in STAGES:
        for i in range(count):
            layers.append(TorchvisionBlock(before, width, expansion, 1 if i else stride))
            before = width
    return chain(
        features=nn.Sequential(*layers, conv_norm(before, 1280, activation=nn.ReLU6)),
        pool=nn.AdaptiveAvgPool2d(1),
        flatten=nn.Flatten(),
        classifier=nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, num_classes)),
    )


class KuangliuBlock(nn.Module):
    """The same block; with stride 1 always added to the input, convolved where widths differ."""

    def __init__(self, channels_in: int, channels_out: int, expansion: int, stride: int) -> None:
        super().__init__()
        wide = expansion * channels_in
        self.conv1 = nn.Conv2d(channels_in, wide, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(wide)
        self.conv2 = nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False)
        self.bn2 = nn.BatchNorm2d(wide)
        self.conv3 = nn.Conv2d(wide, channels_out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels_out)
        self.adds, self.shortcut = stride == 1, nn.Sequential()
        if stride == 1 and channels_in != channels_out:
            self.shortcut = conv_norm(channels_in, channels_out, activation=None)

    def forward(self, x: Tensor) -> Tensor:
        """Map features ``(N, channels_in, H, W)`` to ``(N, channels_out, H/stride, W/stride)``."""
        wide = relu(self.bn2(self.conv2(relu(self.bn1(self.conv1(x))))))
        y: Tensor = self.bn3(self.conv3(wide))
        return y + self.shortcut(x) if self.adds else y


def kuangliu(num_classes: int = 10, channels: int = 3) -> nn.Sequential:
    """Images ``(N, channels, 32, 32)``, normalised -> logits ``(N, num_classes)``."""
    layers: list[nn.Module] = []
    before = 32
    for number, (expansion, width, count, stride) in enumerate(STAGES):
        for i in range(count):
            stride_here = 1 if i or number == 1 else stride
            layers.append(KuangliuBlock(before, width, expansion, stride_here))
            before = width
    return chain(
        conv1=nn.Conv2d(channels, 32, 3, 1, 1, bias=False),
        bn1=nn.BatchNorm2d(32),
        relu1=nn.ReLU(),
        layers=nn.Sequential(*layers),
        conv2=nn.Conv2d(before, 1280, 1, bias=False),
        bn2=nn.BatchNorm2d(1280),
        relu2=nn.ReLU(),
        pool=nn.AdaptiveAvgPool2d(1),
        flatten=nn.Flatten(),
        linear=nn.Linear(1280, num_classes),
    )


ENTRIES = (
    Architecture(
        "kuangliu_mobilenet_v2",
        "ReLU, sides halved three times",
        "github.com/kuangliu/pytorch-cifar models/mobilenetv2.py",
        kuangliu,
        TASKS,
        first="conv1",
        last="linear",
        tensors=287,
    ),
    Architecture(
        "torchvision_mobilenet_v2",
        "ReLU6, sides halved five times",
        "github.com/pytorch/vision torchvision/models/mobilenetv2.py",
        torchvision,
        (IMAGENET, CIFAR10, CIFAR100, GTSRB, TINY_IMAGENET),
        first="features.0.0",
        last="classifier.1",
        tensors=262,
    ),
)
