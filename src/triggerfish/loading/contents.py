"""What a format's reader hands on, and the protocol that readers follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from triggerfish.loading.hints import Hints, LoadOptions
from triggerfish.loading.weights.part import Aside, Part
from triggerfish.loading.weights.state_dict import StateDict


@dataclass(frozen=True)
class Contents:
    """Weights that wait for an architecture, or a whole network; one of the two.

    ``hints`` is what the file itself says about its input, preprocessing and classes. ``ordered``
    says that the keys of ``state`` are another framework's: only its order and shapes count.
    ``parts`` are all state dicts of a file that may hold several, ``asides`` what else it holds,
    ``unknown`` the classes that it names and that nobody looked at.
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


@dataclass(frozen=True)
class Format:
    """A file format: ``matches`` looks at the path and its first bytes, ``read`` reads it.

    ``matches`` must not raise on damaged files of its own format, and must not run anything;
    ``read`` raises `CheckpointError` or `UnsupportedModelError`, nothing else. A
    ``program`` is first run in a child process with little memory and time, after it was read
    here; before, where the reader is ``fragile``: a C library that a damaged file can make hang.
    ``check`` raises, before that, for what needs no such library to be seen.
    """

    name: str
    matches: Callable[[Path, bytes], bool]
    read: Callable[[Path, bytes, LoadOptions], Contents]
    program: bool = False
    fragile: bool = False
    check: Callable[[Path], None] = lambda _: None
