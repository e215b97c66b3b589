"""Trained clean checkpoints that a fine-tuning starts from."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from triggerfish.errors import CheckpointError
from triggerfish.files import sha256_of
from triggerfish.zoo.manifest import MANIFEST, Entry, read_manifest
from triggerfish.zoo.recipes import Origin, Recipes


@dataclass(frozen=True)
class Found:
    """Clean checkpoints of one network; its name is None where no manifest tells it."""

    origins: tuple[Origin, ...]
    architecture: str | None


def find_origins(path: Path) -> Found:
    """The checkpoint at ``path``, or the clean ones of the zoo that is there."""
    folder = path if path.is_dir() else path.parent
    entries = read_manifest(folder)
    if not path.is_dir():
        entry = entries.get(path.name)
        return Found(
            (Origin(path, sha256_of(path)),), None if entry is None else _architecture(entry)
        )
    clean = [entry for entry in entries.values() if not entry.targets]
    architectures = {_architecture(entry) for entry in clean}
    if len(architectures) != 1:
        raise CheckpointError(
            f"expected clean models of one network in {folder / MANIFEST}, got "
            f"{len(architectures)} networks: name a checkpoint or another zoo with --from"
        )
    return Found(
        tuple(Origin(folder / entry.file, entry.sha256) for entry in clean), architectures.pop()
    )


def tuned_zoo(recipes: Recipes, origins: Sequence[Origin], steps: int) -> Recipes:
    """The recipes, each starting from the next of the origins, over and over, for ``steps``."""
    pairs = zip(recipes.items(), itertools.cycle(origins), strict=False)
    return {file: replace(recipe, origin=origin, steps=steps) for (file, recipe), origin in pairs}


def load_origin(network: nn.Module, origin: Origin) -> None:
    """Put the weights of a checkpoint into ``network``; code in the file is not run."""
    try:
        state = torch.load(origin.path, map_location="cpu", weights_only=True)
        network.load_state_dict(state)
        found = sha256_of(origin.path)
    except (OSError, EOFError, RuntimeError, TypeError, pickle.UnpicklingError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(
            f"expected the state dict of a {type(network).__name__} in {origin.path}, got an "
            f"error ({reason}): check --from and --architecture"
        ) from error
    if found != origin.sha256:
        raise CheckpointError(
            f"expected the file with SHA-256 {origin.sha256[:12]} in {origin.path}, "
            f"got {found[:12]}: it changed while the zoo was being made, start again"
        )


def _architecture(entry: Entry) -> str:
    return str(entry.recipe["architecture"])
