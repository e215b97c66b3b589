"""Built-in networks by name: ``ARCHITECTURES[name](num_classes, channels) -> nn.Module``."""

from collections.abc import Callable

from torch import nn

from triggerfish.architectures.lenet import LeNet
from triggerfish.architectures.mlp import MLP
from triggerfish.architectures.paper_cnn import PaperCNN
from triggerfish.architectures.paper_cnn_variants import PaperCNNBatchNorm, PaperCNNDropout
from triggerfish.architectures.resnet import SmallResNet

Architecture = Callable[..., nn.Module]

ARCHITECTURES: dict[str, Architecture] = {
    "paper_cnn": PaperCNN,
    "paper_cnn_batch_norm": PaperCNNBatchNorm,
    "paper_cnn_dropout": PaperCNNDropout,
    "mlp": MLP,
    "lenet": LeNet,
    "small_resnet": SmallResNet,
}

__all__ = ["ARCHITECTURES", "Architecture", "PaperCNN"]
