"""Attacks by name. Every module of this package registers its own: a new attack is a new file."""

from importlib import import_module
from pkgutil import iter_modules

from triggerfish.zoo.attacks.base import AllToOne, Attack, Poisoning
from triggerfish.zoo.attacks.registry import ATTACKS, PRESETS, Preset, preset, register

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

__all__ = [
    "ATTACKS",
    "PRESETS",
    "AllToOne",
    "Attack",
    "Poisoning",
    "Preset",
    "preset",
    "register",
]
