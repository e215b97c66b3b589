"""The two tables that attack modules enter themselves into."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from triggerfish.zoo.attacks.base import Attack, Poisoning

AnyAttack = TypeVar("AnyAttack", bound=type[Attack])

ATTACKS: dict[str, type[Attack]] = {}
"""The kinds of attack: what the ``name`` in a manifest's attack settings means."""


def register(name: str) -> Callable[[AnyAttack], AnyAttack]:
    """Class decorator: make a kind of attack known by ``name``."""

    def add(attack: AnyAttack) -> AnyAttack:
        attack.name = name
        ATTACKS[name] = attack
        return attack

    return add


@dataclass(frozen=True)
class Preset:
    """An attack with settings at which it works on MNIST: what ``zoo attack NAME`` trains."""

    summary: str
    attack: Attack
    poisoning: Poisoning
    epochs: int = 2


PRESETS: dict[str, Preset] = {}


def preset(name: str, summary: str, attack: Attack, poisoning: Poisoning, epochs: int = 2) -> None:
    """Make an attack with its settings known to the command line by ``name``."""
    PRESETS[name] = Preset(summary, attack, poisoning, epochs)
