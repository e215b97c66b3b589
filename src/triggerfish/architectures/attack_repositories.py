"""Networks that repositories of attacks and defences define themselves.

Sources: https://github.com/VinAIResearch/Warping-based_Backdoor_Attack-release, networks/models.py
(MNIST; also of its input-aware attack); https://github.com/UMBCvision/Universal-Litmus-Patterns,
CIFAR-10/utils/model.py (pixels in [0, 255]).
"""

from __future__ import annotations

from torch import nn

from triggerfish.architectures.architecture import Architecture
from triggerfish.architectures.chain import chain
from triggerfish.architectures.tasks import CIFAR10_UNIT, GTSRB, MNIST_UNIT


def vinai_block(channels_in: int, channels_out: int) -> nn.Sequential:
    """Batch norm, ReLU, a 3x3 convolution with stride 2."""
    return chain(
        bn1=nn.BatchNorm2d(channels_in),
        relu=nn.ReLU(),
        conv1=nn.Conv2d(channels_in, channels_out, 3, 2, 1, bias=False),
    )


def vinai(num_classes: int = 10, channels: int = 1) -> nn.Sequential:
    """Images ``(N, channels, 28, 28)``, normalised -> logits ``(N, num_classes)``."""
    return chain(
        conv1=nn.Conv2d(channels, 32, 3, 2, 1),
        relu1=nn.ReLU(),
        layer2=vinai_block(32, 64),
        layer3=vinai_block(64, 64),
        flatten=nn.Flatten(),
        linear6=nn.Linear(64 * 4 * 4, 512),
        relu7=nn.ReLU(),
        linear9=nn.Linear(512, num_classes),
    )


def litmus(num_classes: int = 10, channels: int = 3) -> nn.Sequential:
    """Images ``(N, channels, 32, 32)`` in [0, 255] -> logits ``(N, num_classes)``."""
    layers: list[nn.Module] = []
    for _ in range(3):
        for _ in range(2):
            convolution = nn.Conv2d(channels, 64, 5, padding=2)
            layers.extend([convolution, nn.BatchNorm2d(64), nn.ReLU()])
            channels = 64
        layers.append(nn.MaxPool2d(2))
    return chain(
        features=nn.Sequential(*layers),
        flatten=nn.Flatten(),
        fc=nn.Sequential(
            nn.Linear(64 * 4 * 4, 384),
            nn.BatchNorm1d(384),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Linear(384, 192),
            nn.BatchNorm1d(192),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Linear(192, num_classes),
        ),
    )


ENTRIES = (
    Architecture(
        "vinai_netc_mnist",
        "three convolutions with stride 2, linear 512",
        "github.com/VinAIResearch/Warping-based_Backdoor_Attack-release networks/models.py",
        vinai,
        (MNIST_UNIT.halved(),),
        first="conv1",
        last="linear9",
        tensors=16,
    ),
    Architecture(
        "litmus_cnn",
        "six convolutions of 64 with batch norm, linear 384, 192",
        "github.com/UMBCvision/Universal-Litmus-Patterns CIFAR-10/utils/model.py",
        litmus,
        (CIFAR10_UNIT.raw(), GTSRB.raw()),
        first="features.0",
        last="fc.8",
        tensors=50,
    ),
)
