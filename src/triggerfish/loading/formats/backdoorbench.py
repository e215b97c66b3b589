"""BackdoorBench's ``attack_result.pt``: a state dict beside the name and size of its network.

Layout from SCLBD/BackdoorBench, utils/save_load_attack.py; means and standard deviations from its
utils/aggregate_block/dataset_and_transform_generate.py.
"""

from __future__ import annotations

from collections.abc import Container, Mapping

from triggerfish.architectures import ARCHITECTURES
from triggerfish.loading.hints import Hints

ATTACK_RESULT = frozenset({"model_name", "num_classes", "model", "img_size"})
"""Keys that ``attack_result.pt`` has, and other checkpoints do not have together."""
_NORMALISATION = {
    "mnist": ((0.5,), (0.5,)),
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.247, 0.243, 0.261)),
    "cifar100": ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
    "gtsrb": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "celeba": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "tiny": ((0.4802, 0.4481, 0.3975), (0.2302, 0.2265, 0.2262)),
}
# Networks that BackdoorBench defines itself (models/preact_resnet.py), by their names here.
_OWN = {f"preactresnet{depth}": f"kuangliu_preactresnet{depth}" for depth in (18, 34, 50)}
# Those that it takes from torchvision (utils/aggregate_block/model_trainer_generate.py).
_TORCHVISION = frozenset(
    f"{family}{size}"
    for family, sizes in {
        "resnet": ("18", "34", "50"),
        "vgg": ("11", "16", "19", "19_bn"),
        "densenet": ("161",),
        "mobilenet_": ("v2", "v3_large"),
        "efficientnet_": ("b0", "b1", "b2", "b3"),
        "resnext": ("50_32x4d",),
        "wide_resnet": ("50_2",),
        "vit_": ("b_16",),
        "convnext_": ("tiny",),
        "alexnet": ("",),
    }.items()
    for size in sizes
)


def attack_result_hints(data: Mapping[str, object]) -> Hints:
    """What an attack result says about its network: name, classes, input, preprocessing."""
    name = str(data["model_name"])
    mean, std = _NORMALISATION.get(str(data.get("clean_data")), (None, None))
    classes = data["num_classes"]
    return Hints(
        "BackdoorBench attack_result",
        architecture=catalogue_name(name, ARCHITECTURES),
        input_shape=_shape(data["img_size"]),
        mean=mean,
        std=std,
        num_classes=classes if isinstance(classes, int) else None,
    )


def catalogue_name(name: str, catalogue: Container[str]) -> str | None:
    """What ``--arch`` calls BackdoorBench's network ``name``; None for one that nobody knows."""
    own, from_torchvision = _OWN.get(name, name), f"torchvision_{name}"
    if name in _TORCHVISION:
        return from_torchvision if from_torchvision in catalogue else f"torchvision:{name}"
    return own if own in catalogue else None


def _shape(size: object) -> tuple[int, int, int] | None:
    """(C, H, W) from BackdoorBench's (H, W, C)."""
    match size:
        case [int(height), int(width), int(channels)] | (int(height), int(width), int(channels)):
            return (channels, height, width)
    return None
