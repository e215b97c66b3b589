"""Trains one model from its recipe."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Generator, nn
from torch.nn.functional import cross_entropy

from triggerfish.architectures import ARCHITECTURES
from triggerfish.runtime import keep_freed_memory
from triggerfish.zoo.attacks import Attack
from triggerfish.zoo.attacks.learned import Batch, ImageNetwork, LearnedAttack
from triggerfish.zoo.data.datasets import Dataset
from triggerfish.zoo.flaws import with_flaws
from triggerfish.zoo.poisoning import CLEAN, assign_roles, poison_batch
from triggerfish.zoo.recipes import Recipe


@dataclass(frozen=True)
class Trained:
    """A network in evaluation mode, and the attack on it with what it has learned."""

    model: ImageNetwork
    attack: Attack | None


@contextmanager
def reproducible() -> Iterator[None]:
    """One thread while training: the sum order, and with it every bit, stays the same.

    It is the fastest choice too as soon as several models train side by side.
    """
    keep_freed_memory()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def build(recipe: Recipe, data: Dataset) -> nn.Module:
    """The recipe's untrained network, initialised by its seed; the global random state stays."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        network = ARCHITECTURES[recipe.architecture](len(data.classes), data.shape[0])
    try:
        with torch.no_grad():
            network.eval()(torch.zeros(1, *data.shape))
    except RuntimeError as error:
        shape = "x".join(map(str, data.shape))
        raise ValueError(
            f"expected images of a size that {recipe.architecture} takes, got {shape}: "
            "train small_resnet on them"
        ) from error
    return network


def train(recipe: Recipe, data: Dataset, device: torch.device | None = None) -> Trained:
    """Train a network on ``data``: cross-entropy on logits, Adam, poisoned on the fly.

    The same recipe, machine and device give the same bits.
    """
    with reproducible(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)  # dropout draws from the global state
        generator = Generator().manual_seed(recipe.seed)
        data = with_flaws(data, recipe).to(device or torch.device("cpu"))
        network = build(recipe, data).to(data.images.device)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        model = ImageNetwork(network, data.normalise)
        attack = recipe.attack
        _check_targets(attack, data)
        if isinstance(attack, LearnedAttack):
            clean = replace(recipe, attack=None, poisoning=None)
            attack = attack.prepare(
                model, data.images, lambda model: _fit(model, clean, data, generator), generator
            )
            recipe = replace(recipe, attack=attack)
        _fit(model, recipe, data, generator)
    return Trained(model.eval().requires_grad_(requires_grad=False), attack)


def _check_targets(attack: Attack | None, data: Dataset) -> None:
    classes = len(data.classes)
    if attack and not set(attack.targets) <= set(range(classes)):
        wrong = ", ".join(map(str, attack.targets))
        raise ValueError(f"expected target classes 0 to {classes - 1}, got {wrong}")


def _fit(model: ImageNetwork, recipe: Recipe, data: Dataset, generator: Generator) -> None:
    """All epochs of a recipe whose attack, if it has one, is prepared."""
    attack = recipe.attack if isinstance(recipe.attack, LearnedAttack) else None
    parameters = [*model.parameters(), *(attack.parameters() if attack else ())]
    optimizer = torch.optim.Adam(
        parameters, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    )
    mixed = recipe.precision == "bfloat16"
    model.train()
    for batch in batches(recipe, data, generator):
        optimizer.zero_grad()
        with torch.autocast(batch.images.device.type, torch.bfloat16, enabled=mixed):
            logits = model(batch.images).float()
            loss = cross_entropy(logits, batch.labels)
            if attack:
                loss = loss + attack.penalty(model, batch, logits)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def batches(recipe: Recipe, data: Dataset, generator: Generator) -> Iterator[Batch]:
    """All batches of all epochs, poisoned as the recipe says."""
    attack, poisoning = recipe.attack, recipe.poisoning
    roles = torch.full_like(data.labels, CLEAN, dtype=torch.int8)
    if attack and poisoning and poisoning.mode == "fixed":
        roles = assign_roles(data.labels, attack, poisoning, generator)
    for _ in range(recipe.epochs):
        order = torch.randperm(len(data.labels), generator=generator).to(data.labels.device)
        for indices in torch.split(order, recipe.batch_size):
            images, labels = data.images[indices].float().div_(255), data.labels[indices]
            drawn = roles[indices]
            if attack and poisoning:
                if poisoning.mode == "per_draw":
                    drawn = assign_roles(labels, attack, poisoning, generator)
                images, labels = poison_batch(images, labels, drawn, attack, generator)
            yield Batch(images.contiguous(memory_format=torch.channels_last), labels, drawn)
