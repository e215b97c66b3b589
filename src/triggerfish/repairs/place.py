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
from triggerfish.repairs.repair import CHECK_PICTURES, agreement, with_model
from triggerfish.repairs.saving import rewritten
from triggerfish.search import seeds
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
        for path in (self.target, self.record):
            if path.exists() or path.is_symlink():
                raise CheckpointError(f"{path}: there is a file already. Choose another --out")
        other = _card_of(self.target)
        if other is not None and (self._found is None or not other.samefile(self._found)):
            raise CheckpointError(
                f"{other}: this model card would be read for {self.target}. Choose another --out"
            )
        ensure_writable(self.target.absolute().parent)

    @property
    def record(self) -> Path:
        """The file that says what was done."""
        return self.target.with_name(f"{self.target.name}.repair.json")

    @property
    def _found(self) -> Path | None:
        return _card_of(self.original)

    def _write_card(self, target: Path) -> None:
        """Give ``target`` the original's model card, unless it has it already."""
        found = self._found
        if found is not None and _card_of(target) is None:
            places = {place.suffix: place for place in reversed(card_paths(target))}
            write_file(places[found.suffix], found.read_bytes())

    def checked(self, original: Classifier, model: nn.Module) -> bytes:
        """The content of the repaired file, once it opens as the original does.

        Raises `UnsupportedModelError` where it does not answer as ``model`` does.
        """
        content = rewritten(self.original, model, self.options.given.state_key)
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / self.target.name
            copy.write_bytes(content)
            self._write_card(copy)
            opened = open_model(copy, self.options).classifier
        fresh = pictures(CHECK_PICTURES, original.input_shape, seeds.CHECK)
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


def _card_of(model: Path) -> Path | None:
    """The model card that is read for a file, there or not yet there."""
    return next((path for path in card_paths(model) if path.is_file()), None)
