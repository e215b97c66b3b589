"""The small networks that our own zoos train: the published experiment's, and classics."""

from __future__ import annotations

from triggerfish.architectures.architecture import Architecture
from triggerfish.architectures.lenet import LeNet
from triggerfish.architectures.mlp import MLP
from triggerfish.architectures.paper_cnn import PaperCNN
from triggerfish.architectures.paper_cnn_variants import PaperCNNBatchNorm, PaperCNNDropout
from triggerfish.architectures.resnet import SmallResNet
from triggerfish.architectures.tasks import CIFAR10, FASHION_UNIT, MNIST, MNIST_UNIT

_PAPER = "Khorsand and Nickabadi, IKT 2025"
_TASKS = (MNIST, MNIST_UNIT, FASHION_UNIT.halved())

ENTRIES = (
    Architecture(
        "paper_cnn",
        "convolutions of 32 and 64 with padding, linear 128",
        _PAPER,
        PaperCNN,
        _TASKS,
        first="conv1",
        last="fc2",
        tensors=8,
    ),
    Architecture(
        "paper_cnn_batch_norm",
        "the same with batch normalisation",
        _PAPER,
        PaperCNNBatchNorm,
        _TASKS,
        first="conv1",
        last="fc2",
        tensors=16,
    ),
    Architecture(
        "paper_cnn_dropout",
        "the same with dropout",
        _PAPER,
        PaperCNNDropout,
        _TASKS,
        first="conv1",
        last="fc2",
        tensors=8,
        same_as="paper_cnn",
    ),
    Architecture(
        "mlp",
        "linear 256, 128",
        "Triggerfish",
        MLP,
        _TASKS,
        first="fc1",
        last="fc3",
        tensors=6,
    ),
    Architecture(
        "lenet",
        "LeNet-5 with ReLU and maximum pooling, padding 2",
        "LeCun et al. 1998, as commonly trained today",
        LeNet,
        _TASKS,
        first="conv1",
        last="fc3",
        tensors=10,
    ),
    Architecture(
        "small_resnet",
        "a stem and three residual blocks of 16, 32, 64",
        "Triggerfish, after He et al. 2016",
        SmallResNet,
        (*_TASKS, CIFAR10),
        first="stem",
        last="fc",
        tensors=39,
    ),
)
