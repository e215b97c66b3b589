"""What a trained model does on the test images."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from triggerfish.zoo.attacks import Attack
from triggerfish.zoo.attacks.learned import ImageNetwork
from triggerfish.zoo.data.datasets import Dataset

_BATCH = 500


@torch.no_grad()
def clean_accuracy(model: ImageNetwork, data: Dataset) -> float:
    """Fraction of the images of ``data`` that the model classifies as labelled."""
    return float((_predict(model, data) == data.labels).double().mean())


@torch.no_grad()
def attack_success_rate(model: ImageNetwork, data: Dataset, attack: Attack, seed: int = 0) -> float:
    """Fraction of stamped images, of those the attack wants to move, that go where it wants.

    Of several triggers the one that works least counts.
    """
    return min(_success(model, data, variant, seed) for variant in attack.variants())


def _success(model: ImageNetwork, data: Dataset, attack: Attack, seed: int) -> float:
    predicted = _predict(model, data, attack, Generator().manual_seed(seed))
    moved = predicted == attack.relabel(data.labels)
    return float(moved[attack.attacked(data.labels)].double().mean())


def _predict(
    model: ImageNetwork,
    data: Dataset,
    attack: Attack | None = None,
    generator: Generator | None = None,
) -> Tensor:
    """Predicted classes ``(N,)``, of the stamped images when there is an attack."""
    device = next(model.parameters()).device
    predicted = []
    for chunk in torch.split(data.images, _BATCH):
        images = chunk.to(device).float().div_(255)
        if attack and generator:
            images = attack.stamp(images, generator)
        images = images.contiguous(memory_format=torch.channels_last)
        predicted.append(model(images).argmax(1).cpu())
    return torch.cat(predicted)
