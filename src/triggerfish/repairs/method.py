"""The protocol that every repair follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass, field
from typing import Any, ClassVar, Protocol

from torch import Tensor, nn

from triggerfish.model.classifier import Classifier


@dataclass(frozen=True)
class Task:
    """What a repair is to undo.

    ``targets`` are the classes that a scan named (`UNTARGETED` for an attack on every class).
    ``ordinary`` has, per target and basis (False pixels, True cosines), the size from which a
    perturbation is no shortcut any more. ``images`` (N, C, H, W) in [0, 1] are the user's own,
    without labels, where there are any.
    """

    targets: tuple[int, ...]
    ordinary: Mapping[tuple[int, bool], float] = field(default_factory=dict)
    images: Tensor | None = None


class RepairMethod(Protocol):
    """A frozen dataclass of settings that is called on a `Classifier` and a `Task`."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    name: ClassVar[str]
    summary: ClassVar[str]

    @property
    def tried(self) -> str:
        """What was done, for the words about a repair that failed."""
        ...

    def __call__(self, classifier: Classifier, task: Task, seed: int = 0) -> nn.Module:
        """A repaired copy of ``classifier.model``: same layers, same names, other weights."""
        ...
