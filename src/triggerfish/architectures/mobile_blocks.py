"""Parts of the mobile networks: convolution with its norm, squeeze and excitation, the block.

Sources: Sandler et al. 2018 (https://arxiv.org/abs/1801.04381), Howard et al. 2019
(https://arxiv.org/abs/1905.02244) and Tan and Le 2019 (https://arxiv.org/abs/1905.11946), with
the names of https://github.com/pytorch/vision, torchvision/models.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

Activation = Callable[[], nn.Module]


def conv_norm(
    channels_in: int,
    channels_out: int,
    kernel: int = 1,
    stride: int = 1,
    *,
    activation: Activation | None = nn.ReLU,
    groups: int = 1,
    eps: float = 1e-5,
) -> nn.Sequential:
    """Convolution that keeps the size, up to the stride; batch norm; activation, if any."""
    layers: list[nn.Module] = [
        nn.Conv2d(
            channels_in, channels_out, kernel, stride, kernel // 2, groups=groups, bias=False
        ),
        nn.BatchNorm2d(channels_out, eps=eps),
    ]
    return nn.Sequential(*layers, *([activation()] if activation else []))


def divisible(value: float) -> int:
    """The nearest multiple of 8, at least 8 and at least 90 % of ``value``."""
    rounded = max(8, int(value + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * value else rounded


class SqueezeExcitation(nn.Module):
    """Channels scaled by what two 1x1 convolutions say of their means (Hu et al. 2018)."""

    def __init__(
        self, channels: int, squeezed: int, activation: Activation, gate: Activation
    ) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, channels, 1)
        self.activation, self.gate = activation(), gate()

    def forward(self, x: Tensor) -> Tensor:
        """Map features ``(N, C, H, W)`` to features of the same shape."""
        means = x.mean(dim=(2, 3), keepdim=True)
        scaled: Tensor = x * self.gate(self.fc2(self.activation(self.fc1(means))))
        return scaled


@dataclass(frozen=True)
class BlockSettings:
    """Sizes of one `InvertedResidual`; ``squeezed`` channels, or 0 for no squeeze."""

    channels_in: int
    expanded: int
    channels_out: int
    kernel: int = 3
    stride: int = 1
    squeezed: int = 0


class InvertedResidual(nn.Module):
    """Widen, filter each channel, squeeze and excite, narrow; added to the input where it can be.

    The layers are called ``block.0`` and so on; the first is left out where nothing is widened.
    """

    def __init__(
        self,
        sizes: BlockSettings,
        activation: Activation,
        *,
        squeeze: tuple[Activation, Activation] = (nn.ReLU, nn.Hardsigmoid),
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        wide = sizes.expanded
        layers: list[nn.Module] = []
        if wide != sizes.channels_in:
            layers.append(conv_norm(sizes.channels_in, wide, activation=activation, eps=eps))
        layers.append(
            conv_norm(
                wide,
                wide,
                sizes.kernel,
                sizes.stride,
                activation=activation,
                groups=wide,
                eps=eps,
            )
        )
        if sizes.squeezed:
            layers.append(SqueezeExcitation(wide, sizes.squeezed, *squeeze))
        layers.append(conv_norm(wide, sizes.channels_out, activation=None, eps=eps))
        self.block = nn.Sequential(*layers)
        self.adds = sizes.stride == 1 and sizes.channels_in == sizes.channels_out

    def forward(self, x: Tensor) -> Tensor:
        """Map features ``(N, channels_in, H, W)`` to ``(N, channels_out, H/stride, W/stride)``."""
        y: Tensor = self.block(x)
        return x + y if self.adds else y
