"""The attack of a model in a zoo, ready to stamp images, from what lies beside the model."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import torch

from triggerfish.zoo.attacks import ATTACKS, Attack
from triggerfish.zoo.attacks.learned import LearnedAttack
from triggerfish.zoo.manifest import Entry

TRIGGER_SUFFIX = ".trigger"
"""Beside a model: what its attack has learned, for those who want to stamp images with it."""


def stored_attack(folder: Path, entry: Entry) -> Attack | None:
    """The attack that a model of the zoo in ``folder`` was made with; None for a clean one."""
    settings: Any = entry.recipe.get("attack")
    if settings is None:
        return None
    kind = ATTACKS[settings["name"]]
    known = {field.name for field in fields(kind)}
    attack = kind(**{name: value for name, value in settings.items() if name in known})
    learned = (folder / entry.file).with_suffix(TRIGGER_SUFFIX)
    if isinstance(attack, LearnedAttack) and learned.is_file():
        return attack.restored(torch.load(learned, map_location="cpu", weights_only=True))
    return attack
