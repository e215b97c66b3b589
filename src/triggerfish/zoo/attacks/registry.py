"""The two tables that attack modules enter themselves into."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
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
class Tuning:
    """How an attack is implanted in a trained network: in ``steps`` batches.

    At least ``rate`` of the images are poisoned; 0 leaves the rate of the preset.
    """

    steps: int = 1500
    rate: float = 0.15


@dataclass(frozen=True)
class Preset:
    """An attack with settings at which it works: what ``zoo attack NAME`` trains."""

    summary: str
    attack: Attack
    poisoning: Poisoning
    epochs: int = 2
    tuning: Tuning = Tuning()

    def tuned(self) -> Preset:
        """The preset at the poisoning rate of fine-tuning."""
        rate = max(self.poisoning.rate, self.tuning.rate)
        return replace(self, poisoning=replace(self.poisoning, rate=rate))


PRESETS: dict[str, Preset] = {}
"""By name, with settings that work on MNIST and, where `DATA_PRESETS` has no others, elsewhere."""

DATA_PRESETS: dict[tuple[str, str], Preset] = {}
"""By data set and name: what replaces a preset on a data set where its settings do not work."""


def preset(
    name: str,
    summary: str,
    attack: Attack,
    poisoning: Poisoning,
    epochs: int = 2,
    tuning: Tuning = Tuning(),
) -> None:
    """Make an attack with its settings known to the command line by ``name``."""
    PRESETS[name] = Preset(summary, attack, poisoning, epochs, tuning)


def preset_on(data: str, name: str, **changes: object) -> None:
    """Other settings for a preset on one data set: fields of `Preset`."""
    DATA_PRESETS[data, name] = replace(PRESETS[name], **changes)  # type: ignore[arg-type]


def preset_for(name: str, data: str) -> Preset:
    """The preset with the settings that work on a data set."""
    return DATA_PRESETS.get((data, name), PRESETS[name])
