"""BackdoorBench's ``attack_result.pt``: a state dict beside the name and size of its network.

Layout from SCLBD/BackdoorBench, utils/save_load_attack.py; means and standard deviations from its
utils/aggregate_block/dataset_and_transform_generate.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeGuard

from triggerfish.architectures import ARCHITECTURES
from triggerfish.loading.hints import Hints

_KEYS = {"model_name", "num_classes", "model", "img_size"}
_NORMALISATION = {
    "mnist": ((0.5,), (0.5,)),
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.247, 0.243, 0.261)),
    "cifar100": ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
    "gtsrb": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "celeba": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "tiny": ((0.4802, 0.4481, 0.3975), (0.2302, 0.2265, 0.2262)),
}
# Those that BackdoorBench takes from torchvision; its other networks are its own.
_TORCHVISION = ("resnet18", "resnet34", "vgg19", "densenet161", "mobilenet_v3_large", "vit_b_16")


def is_attack_result(data: object) -> TypeGuard[Mapping[str, object]]:
    """Whether a checkpoint's content has the layout of ``attack_result.pt``."""
    return isinstance(data, Mapping) and set(data) >= _KEYS


def attack_result_hints(data: Mapping[str, object]) -> Hints:
    """What an attack result says about its network: name, classes, input, preprocessing."""
    name = str(data["model_name"])
    mean, std = _NORMALISATION.get(str(data.get("clean_data")), (None, None))
    classes = data["num_classes"]
    architecture = name if name in ARCHITECTURES else None
    return Hints(
        "BackdoorBench attack_result",
        architecture=f"torchvision:{name}" if name in _TORCHVISION else architecture,
        input_shape=_shape(data["img_size"]),
        mean=mean,
        std=std,
        num_classes=classes if isinstance(classes, int) else None,
    )


def _shape(size: object) -> tuple[int, int, int] | None:
    """(C, H, W) from BackdoorBench's (H, W, C)."""
    match size:
        case [int(height), int(width), int(channels)] | (int(height), int(width), int(channels)):
            return (channels, height, width)
    return None
