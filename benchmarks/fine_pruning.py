"""Fine-pruning (Liu, Dolan-Gavitt and Garg, RAID 2018), with labelled real images: a baseline.

Channels of the last convolution that real images hardly activate are switched off, one after the
other, as long as the accuracy on those images falls by no more than `ALLOWED`; then all weights are
trained on the same images. The publication leaves both numbers to its user; the training here is
that of BackdoorBench (SGD, learning rate 0.01, momentum 0.9).
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from triggerfish.errors import UnsupportedModelError
from triggerfish.model.classifier import Classifier
from triggerfish.repairs.repair import with_model
from triggerfish.search.activation_maximization import chunks

ALLOWED = 0.04  # of accuracy, by pruning
EPOCHS, BATCH, LEARNING_RATE, MOMENTUM = 10, 64, 0.01, 0.9


def fine_pruned(classifier: Classifier, images: Tensor, labels: Tensor, seed: int = 0) -> nn.Module:
    """A pruned and trained copy; ``images`` (N, C, H, W) in [0, 1] with their ``labels`` (N,)."""
    student = with_model(classifier, copy.deepcopy(classifier.model))  # type: ignore[arg-type]
    images = images.to(classifier.device, classifier.dtype)
    assert isinstance(student.model, nn.Module)
    _prune(student, _last_convolution(student.model), images, labels)
    _tune(student, images, labels, seed)
    return student.model


def _last_convolution(model: nn.Module) -> nn.Conv2d:
    found = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    if not found:
        raise UnsupportedModelError("expected a network with convolutions for fine-pruning")
    return found[-1]


@torch.no_grad()
def _prune(student: Classifier, layer: nn.Conv2d, images: Tensor, labels: Tensor) -> None:
    """Switch off the least active channels while the network can do without them."""
    seen: list[Tensor] = []
    hook = layer.register_forward_hook(lambda *given: seen.append(given[2].relu().mean((0, 2, 3))))
    floor = _accuracy(student, images, labels) - ALLOWED
    hook.remove()
    for channel in seen[0].argsort().tolist():
        kept = [p[channel].clone() for p in layer.parameters()]
        for parameter in layer.parameters():
            parameter[channel] = 0.0
        if _accuracy(student, images, labels) < floor:
            for parameter, value in zip(layer.parameters(), kept, strict=True):
                parameter[channel] = value
            return


def _tune(student: Classifier, images: Tensor, labels: Tensor, seed: int) -> None:
    assert isinstance(student.model, nn.Module)
    generator = torch.Generator().manual_seed(seed)
    parameters = [p.requires_grad_(True) for p in student.model.parameters()]
    optimizer = torch.optim.SGD(parameters, LEARNING_RATE, MOMENTUM)
    for _ in range(EPOCHS):
        order = torch.randperm(len(images), generator=generator)
        for rows in (order[part] for part in chunks(len(order), BATCH)):
            loss = cross_entropy(student.logits(images[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    student.model.requires_grad_(False)


def _accuracy(model: Classifier, images: Tensor, labels: Tensor) -> float:
    return float((model.logits(images).argmax(1) == labels).double().mean())
