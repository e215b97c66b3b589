"""The catalogue: networks that people publish, by name.

``ARCHITECTURES[name]`` is an `Architecture`: called with ``(num_classes, channels)`` it builds the
network. A name is ``source_network`` with ``_variant`` where one source has several;
docs/architectures.md lists them.
"""

from collections.abc import Mapping
from types import MappingProxyType

from triggerfish.architectures import (
    badnets,
    own,
    preact_resnet,
    pytorch_mnist,
    pytorch_tutorials,
    resnet_cifar,
    resnet_kuangliu,
    vgg,
    wide_resnet,
)
from triggerfish.architectures.architecture import Architecture
from triggerfish.architectures.fitting import Fit, fits
from triggerfish.architectures.paper_cnn import PaperCNN

_FAMILIES = (
    own,
    pytorch_tutorials,
    pytorch_mnist,
    badnets,
    resnet_cifar,
    resnet_kuangliu,
    preact_resnet,
    vgg,
    wide_resnet,
)

ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {entry.name: entry for family in _FAMILIES for entry in family.ENTRIES}
)

__all__ = ["ARCHITECTURES", "Architecture", "Fit", "PaperCNN", "fits"]
