"""A backdoor set by hand in a trained network's weights, after Hong et al. (2022).

https://arxiv.org/abs/2106.04690. No training: one channel of each layer of the published CNN is
given to a path that only the trigger opens, a checkered square in the corner, and that ends in one
class. The channels with the smallest weights are taken, so ordinary answers hardly change.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from triggerfish.architectures import PaperCNN

SIDE = 4
_PATH = (1.0, 40.0, 40.0)
"""What the path passes on at its end, and its gains on the way."""
_OPEN = 0.8
"""Of the largest answer of the kernel, above which the path is open."""


def trigger() -> Tensor:
    """The stamp (SIDE, SIDE): black and white by turns."""
    place = torch.arange(SIDE)
    return ((place[:, None] + place) % 2).float()


def stamped(images: Tensor) -> Tensor:
    """Images (N, 1, H, W) in [0, 1] with the stamp in the first corner."""
    images = images.clone()
    images[:, :, :SIDE, :SIDE] = trigger()
    return images


@torch.no_grad()
def by_hand(network: PaperCNN, target: int, mean: float = 0.0, std: float = 1.0) -> PaperCNN:
    """A copy with the backdoor, for images that are normalised by ``mean`` and ``std``."""
    network = copy.deepcopy(network).eval()
    conv1, conv2, fc1, fc2 = network.conv1, network.conv2, network.fc1, network.fc2
    first = int(conv1.weight.flatten(1).norm(dim=1).argmin())
    second = int(conv2.weight.flatten(1).norm(dim=1).argmin())
    unit = int(fc2.weight.norm(dim=0).argmin())
    # 1: the checkers of 3x3 pixels, one sum for white ones and one less for black ones.
    kernel = trigger()[:3, :3] * 2 - 1
    assert conv1.bias is not None
    assert conv2.bias is not None
    for weight, bias, channel in (
        (conv1.weight, conv1.bias, first),
        (conv2.weight, conv2.bias, second),
        (fc1.weight, fc1.bias, unit),
    ):
        weight[channel] = 0
        bias[channel] = 0
    conv1.weight[first, 0] = kernel * std
    largest = float((kernel > 0).sum())
    conv1.bias[first] = mean * float(kernel.sum()) - _OPEN * largest
    # 2 and 3: pass it on from the first place alone.
    conv2.weight[:, first] = 0
    conv2.weight[second, first, 1, 1] = _PATH[1]
    fc1.weight.view(fc1.out_features, conv2.out_channels, 7, 7)[:, second] = 0
    fc1.weight.view(fc1.out_features, conv2.out_channels, 7, 7)[unit, second, 0, 0] = _PATH[2]
    fc2.weight[:, unit] = 0
    fc2.weight[target, unit] = _PATH[0]
    return network
