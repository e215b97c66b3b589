"""The manifest of a zoo: what every model in the folder is. The only place of ground truth."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from triggerfish.errors import OutputError
from triggerfish.files import write_atomically

MANIFEST = "manifest.json"
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Entry:
    """One model. Accuracy and rate are fractions; an ASR of a clean model is None.

    ``valid``: the attack works (`factory.MIN_SUCCESS`) at an accuracy near that of clean models;
    None where no clean models were there to compare with.
    """

    file: str
    sha256: str
    seed: int
    recipe: dict[str, object]
    targets: tuple[int, ...]
    clean_accuracy: float
    attack_success_rate: float | None
    valid: bool | None
    seconds: float


def read_manifest(folder: Path) -> dict[str, Entry]:
    """The entries of a zoo by file name; empty when the folder has no manifest yet."""
    path = folder / MANIFEST
    if not path.exists():
        return {}
    try:
        models = json.loads(path.read_text(encoding="utf-8"))["models"]
        entries = [Entry(**{**model, "targets": tuple(model["targets"])}) for model in models]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise OutputError(
            f"expected a zoo manifest in {path}, got an error ({error}): "
            "move the file away or choose another folder"
        ) from error
    return {entry.file: entry for entry in entries}


def write_manifest(folder: Path, entries: Iterable[Entry]) -> None:
    """Replace the folder's manifest in one step, sorted by file name."""
    models = [asdict(entry) for entry in sorted(entries, key=lambda entry: entry.file)]
    text = json.dumps({"schema_version": SCHEMA_VERSION, "models": models}, indent=1) + "\n"
    write_atomically(folder / MANIFEST, lambda path: path.write_text(text, encoding="utf-8"))
