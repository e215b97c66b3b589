"""Where a repaired model goes: beside nothing that it replaces, and only as what was checked."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from triggerfish.errors import CheckpointError, UnsupportedModelError
from triggerfish.files import ensure_writable, write_file
from triggerfish.loading.card import card_paths
from triggerfish.loading.hints import LoadOptions
from triggerfish.loading.load import open_model
from triggerfish.model.classifier import Classifier
from triggerfish.repair.repair import CHECK_PICTURES, CHECK_SEED, agreement, with_model
from triggerfish.repair.saving import rewritten
from triggerfish.search.pictures import pictures

SAME_ANSWERS = 0.98
"""Of the written file and of what was checked: half precision moves a few near a tie."""


@dataclass(frozen=True)
class Place:
    """The file ``target`` for the repaired ``original``, its record, and its model card.

    Raises `CheckpointError` where one of them exists already.
    """

    original: Path
    target: Path
    options: LoadOptions

    def __post_init__(self) -> None:
        for path in (self.target, self.record, *([self.card[1]] if self.card else ())):
            if path.exists() or path.is_symlink():
                raise CheckpointError(f"expected no file at {path}, got one: choose another --out")
        ensure_writable(self.target.absolute().parent)

    @property
    def record(self) -> Path:
        """The file that says what was done."""
        return self.target.with_name(f"{self.target.name}.repair.json")

    @property
    def card(self) -> tuple[Path, Path] | None:
        """The original's model card, and where the repaired file's copy goes, if it needs one."""
        found = next((p for p in card_paths(self.original) if p.is_file()), None)
        places = card_paths(self.target)
        if found is None or found.absolute() in [p.absolute() for p in places]:
            return None
        return found, places[1 if found.suffix == ".json" else 0]

    def checked(self, original: Classifier, model: nn.Module) -> bytes:
        """The content of the repaired file, once it opens as the original does.

        Raises `UnsupportedModelError` where it does not answer as ``model`` does.
        """
        content = rewritten(self.original, model)
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / self.target.name
            copy.write_bytes(content)
            self._write_card(copy)
            opened = open_model(copy, self.options).classifier
        fresh = pictures(CHECK_PICTURES, original.input_shape, CHECK_SEED)
        same = agreement(with_model(original, model), opened, fresh)
        if same < SAME_ANSWERS:
            raise UnsupportedModelError(
                f"expected a repaired file that opens as the original does, got other answers to "
                f"{1 - same:.0%} of pictures: name everything that the original needs, see "
                f"triggerfish inspect {self.original}"
            )
        return content

    def write(self, content: bytes, record: str) -> None:
        """Write the model, its card and its record."""
        self._write_card(self.target)
        write_file(self.record, record.encode())
        write_file(self.target, content)

    def _write_card(self, target: Path) -> None:
        if self.card is not None:
            found, place = self.card
            write_file(target.with_name(place.name), found.read_bytes())
