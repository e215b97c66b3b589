"""The catalogue: networks that people publish, by name.

``ARCHITECTURES[name]`` is an `Architecture`: called with ``(num_classes, channels)`` it builds the
network. A name is ``source_network`` with ``_variant`` where one source has several;
docs/architectures.md lists them.
"""

from collections.abc import Mapping
from types import MappingProxyType

from triggerfish.architectures import (
    alexnet,
    attack_repositories,
    badnets,
    densenet,
    efficientnet,
    keras_examples,
    lenet_variants,
    mobilenet_v2,
    mobilenet_v3,
    own,
    plain_cnn,
    preact_resnet,
    pytorch_mnist,
    pytorch_tutorials,
    resnet_cifar,
    resnet_kuangliu,
    resnet_torchvision,
    tutorials,
    vgg,
    vision_transformer,
    wide_resnet,
)
from triggerfish.architectures.architecture import Architecture, Fit, fits
from triggerfish.architectures.paper_cnn import PaperCNN

_FAMILIES = (
    own,
    pytorch_tutorials,
    pytorch_mnist,
    tutorials,
    plain_cnn,
    lenet_variants,
    badnets,
    attack_repositories,
    keras_examples,
    resnet_cifar,
    resnet_kuangliu,
    preact_resnet,
    vgg,
    wide_resnet,
    resnet_torchvision,
    mobilenet_v2,
    mobilenet_v3,
    efficientnet,
    densenet,
    vision_transformer,
    alexnet,
)

ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {entry.name: entry for family in _FAMILIES for entry in family.ENTRIES}
)

__all__ = ["ARCHITECTURES", "Architecture", "Fit", "PaperCNN", "fits"]
