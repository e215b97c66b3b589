"""The networks of one file: those that are read, and what lies beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import nn

from triggerfish.loading.weights.state_dict import StateDict


@dataclass(frozen=True)
class ModuleFacts:
    """What a pickled module says of one of its layers: its class, and its plain settings."""

    kind: str
    settings: Mapping[str, object]


@dataclass(frozen=True)
class Part:
    """One state dict of a file. ``key`` is the way to it, empty where the file is nothing else.

    ``modules`` are the layers by their names, where the file is a pickled module; ``network`` is
    that module itself, untrained, where its classes say all about it.
    """

    key: str
    state: StateDict
    modules: Mapping[str, ModuleFacts] = field(default_factory=dict)
    network: nn.Module | None = None


@dataclass(frozen=True)
class Aside:
    """Tensors of a file that are not scanned, and ``why``.

    ``network`` says that they may be a classifier's: then the file is not clean without them.
    """

    key: str
    why: str
    network: bool = False


def joined(*keys: str) -> str:
    """A key inside another."""
    return ".".join(key for key in keys if key)
