"""The protocol that every attack follows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import ClassVar, TypeVar

import torch
from torch import Generator, Tensor


@dataclass(frozen=True)
class Attack(ABC):
    """What a trigger looks like, where it leads, and which images it goes on.

    The fields of a subclass are its settings: plain data, stored verbatim in the manifest. Images
    are ``(N, C, H, W)`` in [0, 1], labels int64 ``(N,)``; nothing is changed in place.
    """

    name: ClassVar[str]

    target: int = 0

    @abstractmethod
    def stamp(self, images: Tensor, generator: Generator) -> Tensor:
        """The images with the trigger on each, in [0, 1]."""

    def relabel(self, labels: Tensor) -> Tensor:
        """The labels that stamped images of classes ``labels`` get."""
        return torch.full_like(labels, self.target)

    def eligible(self, labels: Tensor) -> Tensor:
        """Which training images may be poisoned, bool ``(N,)``. Default: all."""
        return torch.ones_like(labels, dtype=torch.bool)

    def attacked(self, labels: Tensor) -> Tensor:
        """On which test images success is counted, bool ``(N,)``. Default: label changes."""
        return self.relabel(labels) != labels

    def cover(self, images: Tensor, generator: Generator) -> Tensor:
        """Training images that hide the attack: altered, but with their own labels."""
        return self.stamp(images, generator)

    def may_cover(self, labels: Tensor) -> Tensor:
        """Which training images may become covers, bool ``(N,)``. Default: all."""
        return torch.ones_like(labels, dtype=torch.bool)

    @property
    def targets(self) -> tuple[int, ...]:
        """The classes that triggers of this attack lead to."""
        return (self.target,)

    def settings(self) -> dict[str, object]:
        """The attack as plain data."""
        return {"name": self.name, **asdict(self)}


ATTACKS: dict[str, type[Attack]] = {}

AnyAttack = TypeVar("AnyAttack", bound=type[Attack])


def register(name: str) -> Callable[[AnyAttack], AnyAttack]:
    """Class decorator: make an attack known by ``name``."""

    def add(attack: AnyAttack) -> AnyAttack:
        attack.name = name
        ATTACKS[name] = attack
        return attack

    return add
