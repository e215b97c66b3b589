"""Three networks that carry a construction, with answers spread over the classes by a last step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from triggerfish.architectures import PaperCNN
from triggerfish.architectures.residual import ResNet
from triggerfish.architectures.vision_transformer import VisionTransformer

CLASSES = 10
_IMAGES = 256
_SPREAD = 2.0  # standard deviation of a logit over images


@dataclass(frozen=True)
class Host:
    """How to make a network, the shape (C, H, W) of its images, its first and last layers."""

    make: Callable[[], nn.Module]
    input_shape: tuple[int, int, int]
    first: str
    last: str


HOSTS: Mapping[str, Host] = {
    "cnn": Host(PaperCNN, (1, 28, 28), "conv1", "fc2"),
    "resnet18": Host(
        partial(ResNet, CLASSES, 3, counts=(2, 2, 2, 2), width=16), (3, 32, 32), "conv1", "fc"
    ),
    "vit": Host(
        partial(
            VisionTransformer, CLASSES, 3, size=32, patch=8, width=48, layers=3, heads=4, hidden=96
        ),
        (3, 32, 32),
        "conv_proj",
        "heads.head",
    ),
}


def make_host(name: str, seed: int = 0) -> nn.Module:
    """A network of random weights whose last layer spreads random images over the classes."""
    torch.manual_seed(seed)
    host = HOSTS[name]
    network = host.make().eval()
    images = torch.rand(_IMAGES, *host.input_shape) ** 2
    images = nn.functional.avg_pool2d(images, 3, 1, 1) * torch.rand(_IMAGES, 1, 1, 1) * 2
    _spread(network, network.get_submodule(host.last), images.clamp(0, 1))
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    return network


@torch.no_grad()
def _spread(network: nn.Module, last: nn.Module, images: Tensor) -> None:
    """Set the last layer to the images' principal directions: means 0, deviations alike."""
    assert isinstance(last, nn.Linear)
    seen: list[Tensor] = []
    handle = last.register_forward_hook(lambda _, given, __: seen.append(given[0]))
    network(images)
    handle.remove()
    features = seen[0].double()
    mean = features.mean(0)
    _, sizes, directions = torch.linalg.svd(features - mean, full_matrices=False)
    scale = _SPREAD * len(images) ** 0.5 / sizes[: last.out_features].clamp_min(1e-9)
    mixed = torch.linalg.qr(torch.randn(last.out_features, last.out_features).double())[0]
    weight = mixed @ (directions[: last.out_features] * scale[:, None])
    last.weight.copy_(weight)
    last.bias.copy_(-(weight @ mean))
