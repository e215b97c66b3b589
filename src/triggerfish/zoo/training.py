"""Trains one model from its recipe and measures it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import cross_entropy

from triggerfish.architectures import ARCHITECTURES
from triggerfish.runtime import keep_freed_memory
from triggerfish.zoo.attacks import Attack
from triggerfish.zoo.datasets import Dataset
from triggerfish.zoo.poisoning import assign_roles, poison_batch
from triggerfish.zoo.recipes import Recipe

_EVALUATION_BATCH = 500


@contextmanager
def reproducible() -> Iterator[None]:
    """One thread while training: the sum order, and with it every bit, stays the same.

    It is the fastest choice too as soon as several models train side by side.
    """
    keep_freed_memory()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    keep_freed_memory()
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def build(recipe: Recipe, data: Dataset) -> nn.Module:
    """The recipe's untrained network, initialised by its seed; the global random state stays."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        return ARCHITECTURES[recipe.architecture](len(data.classes), data.shape[0])


def train(recipe: Recipe, data: Dataset, device: torch.device | None = None) -> nn.Module:
    """Train a network on ``data``: cross-entropy on logits, Adam, poisoned on the fly.

    The same recipe, machine and device give the same bits.
    """
    device = device or torch.device("cpu")
    with reproducible():
        network = build(recipe, data).to(device)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        _fit(network.train(), recipe, data.to(device))
    return network.eval()


def _fit(network: nn.Module, recipe: Recipe, data: Dataset) -> None:
    generator = Generator().manual_seed(recipe.seed)
    optimizer = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate, fused=True)
    for images, labels in batches(recipe, data, generator):
        optimizer.zero_grad()
        x = data.normalise(images).contiguous(memory_format=torch.channels_last)
        cross_entropy(network(x), labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def batches(recipe: Recipe, data: Dataset, generator: Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """All batches of all epochs, poisoned: images in [0, 1] ``(n, C, H, W)`` and labels (n,)."""
    attack, poisoning = recipe.attack, recipe.poisoning
    fixed = None
    if attack and poisoning and poisoning.mode == "fixed":
        fixed = assign_roles(data.labels, attack, poisoning, generator)
    for _ in range(recipe.epochs):
        order = torch.randperm(len(data.labels), generator=generator).to(data.labels.device)
        for indices in torch.split(order, recipe.batch_size):
            images, labels = data.images[indices].float().div_(255), data.labels[indices]
            if attack and poisoning:
                roles = (
                    assign_roles(labels, attack, poisoning, generator)
                    if fixed is None
                    else fixed[indices]
                )
                images, labels = poison_batch(images, labels, roles, attack, generator)
            yield images, labels


@torch.no_grad()
def clean_accuracy(network: nn.Module, data: Dataset) -> float:
    """Fraction of the images of ``data`` that the network classifies as labelled."""
    return float((_predict(network, data) == data.labels).double().mean())


@torch.no_grad()
def attack_success_rate(network: nn.Module, data: Dataset, attack: Attack, seed: int = 0) -> float:
    """Fraction of stamped images, of those the attack wants to move, that go where it wants."""
    chosen = attack.attacked(data.labels)
    predicted = _predict(network, data, attack, Generator().manual_seed(seed))
    return float((predicted == attack.relabel(data.labels))[chosen].double().mean())


def _predict(
    network: nn.Module,
    data: Dataset,
    attack: Attack | None = None,
    generator: Generator | None = None,
) -> Tensor:
    """Predicted classes ``(N,)``, of the stamped images when there is an attack."""
    device = next(network.parameters()).device
    predicted = []
    for chunk in torch.split(data.images, _EVALUATION_BATCH):
        images = chunk.to(device).float().div_(255)
        if attack and generator:
            images = attack.stamp(images, generator)
        x = data.normalise(images).contiguous(memory_format=torch.channels_last)
        predicted.append(network(x).argmax(1).cpu())
    return torch.cat(predicted)
