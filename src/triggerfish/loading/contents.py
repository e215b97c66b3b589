"""What a file holds: its networks or their weights, and what lies beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import nn

from triggerfish.loading.hints import Hints
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


@dataclass(frozen=True)
class Contents:
    """Weights that wait for an architecture, or a whole network; one of the two.

    ``hints`` is what the file itself says about its input, preprocessing and classes. ``ordered``
    says that the keys of ``state`` are another framework's: only its order and shapes count.
    ``parts`` are all state dicts of a file that may hold several, ``asides`` what else it holds,
    ``unknown`` the classes that it names and that were not looked at.
    """

    hints: Hints
    state: StateDict | None = None
    network: nn.Module | None = None
    ordered: bool = False
    parts: tuple[Part, ...] = ()
    asides: tuple[Aside, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def states(self) -> tuple[Part, ...]:
        """The state dicts in the file."""
        alone = () if self.state is None else (Part("", self.state),)
        return self.parts or alone
