"""Trains one model from its recipe."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Generator, nn
from torch.nn.functional import cross_entropy

from triggerfish.architectures import ARCHITECTURES
from triggerfish.runtime import keep_freed_memory
from triggerfish.zoo.attacks import Attack
from triggerfish.zoo.attacks.learned import Batch, Fit, ImageNetwork, LearnedAttack
from triggerfish.zoo.augmentation import flipped_and_cropped
from triggerfish.zoo.data.datasets import Dataset
from triggerfish.zoo.flaws import with_flaws
from triggerfish.zoo.optimization import optimizer_of, schedule_of, steps_of
from triggerfish.zoo.origin import load_origin
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
    """The recipe's network as it is before training; the global random state stays.

    Initialised by the seed, or with the weights of the recipe's origin.
    """
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
    if recipe.origin:
        load_origin(network, recipe.origin)
    return network


def train(recipe: Recipe, data: Dataset, device: torch.device | None = None) -> Trained:
    """Train a network on ``data``: cross-entropy on logits, poisoned on the fly.

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
            attack = attack.prepare(
                model, data.images, _clean_fit(recipe, data, generator), generator
            )
            recipe = replace(recipe, attack=attack)
        _fit(model, recipe, data, generator)
    return Trained(model.eval().requires_grad_(requires_grad=False), attack)


def _clean_fit(recipe: Recipe, data: Dataset, generator: Generator) -> Fit:
    """Trains a network without the attack; one with an origin has been trained already."""
    clean = replace(recipe, attack=None, poisoning=None)
    if recipe.origin:
        return lambda model: None
    return lambda model: _fit(model, clean, data, generator)


def _check_targets(attack: Attack | None, data: Dataset) -> None:
    classes = len(data.classes)
    if attack and not set(attack.targets) <= set(range(classes)):
        wrong = ", ".join(map(str, attack.targets))
        raise ValueError(f"expected target classes 0 to {classes - 1}, got {wrong}")


def _fit(model: ImageNetwork, recipe: Recipe, data: Dataset, generator: Generator) -> None:
    """All batches of a recipe whose attack, if it has one, is prepared."""
    attack = recipe.attack if isinstance(recipe.attack, LearnedAttack) else None
    parameters = [*model.parameters(), *(attack.parameters() if attack else ())]
    optimizer = optimizer_of(recipe, parameters)
    schedule = schedule_of(recipe, optimizer, len(data.labels))
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
        schedule.step()


def batches(recipe: Recipe, data: Dataset, generator: Generator) -> Iterator[Batch]:
    """All batches of a training, augmented and poisoned as the recipe says."""
    return itertools.islice(
        _endless_batches(recipe, data, generator), steps_of(recipe, len(data.labels))
    )


def _endless_batches(recipe: Recipe, data: Dataset, generator: Generator) -> Iterator[Batch]:
    """Epoch after epoch."""
    attack, poisoning = recipe.attack, recipe.poisoning
    roles = torch.full_like(data.labels, CLEAN, dtype=torch.int8)
    if attack and poisoning and poisoning.mode == "fixed":
        roles = assign_roles(data.labels, attack, poisoning, generator)
    while True:
        order = torch.randperm(len(data.labels), generator=generator).to(data.labels.device)
        for indices in torch.split(order, recipe.batch_size):
            images, labels, drawn = data.images[indices], data.labels[indices], roles[indices]
            if recipe.augmentation == "flip-crop":
                images = flipped_and_cropped(images, generator)
            images = images.float().div_(255)
            if attack and poisoning:
                if poisoning.mode == "per_draw":
                    drawn = assign_roles(labels, attack, poisoning, generator)
                images, labels = poison_batch(images, labels, drawn, attack, generator)
            yield Batch(images.contiguous(memory_format=torch.channels_last), labels, drawn)
