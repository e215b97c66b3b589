"""Attacks by name. Every module of this package registers its own: a new attack is a new file."""

from importlib import import_module
from pkgutil import iter_modules

from triggerfish.zoo.attacks.base import AllToOne, Attack, Poisoning
from triggerfish.zoo.attacks.registry import (
    ATTACKS,
    DATA_PRESETS,
    PRESETS,
    Preset,
    Tuning,
    preset,
    preset_for,
    preset_on,
    register,
)

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

__all__ = [
    "ATTACKS",
    "DATA_PRESETS",
    "PRESETS",
    "AllToOne",
    "Attack",
    "Poisoning",
    "Preset",
    "Tuning",
    "preset",
    "preset_for",
    "preset_on",
    "register",
]
