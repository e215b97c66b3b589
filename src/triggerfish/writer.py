"""Puts rendered results on disk. The only place that writes a scan's files."""

from __future__ import annotations

import json
import os
from pathlib import Path

from triggerfish.errors import OutputError
from triggerfish.files import ensure_writable, refused, write_file
from triggerfish.reports.artefacts import RESULT, render_artefacts
from triggerfish.results import Scanned, Skipped


def write_artefacts(result: Scanned | Skipped, folder: Path) -> None:
    """Write every file of one result into ``folder``, ``result.json`` last."""
    ensure_writable(folder)
    for name, content in render_artefacts(result):
        write_file(folder / name, content)


def result_folder(out: Path, path: Path) -> Path:
    """Where the model at ``path`` goes: ``out/<stem>``, or ``<stem>-2``, ... if another has it.

    A folder belongs to the model whose path its ``result.json`` names, so scanning a model again
    renews its files, and two models of one name never share a folder.
    """
    # Not resolved, so a link keeps its name; normalised, so ".." cannot lead out of the folder.
    stem, number = Path(os.path.normpath(path.absolute())).stem or "model", 1
    while True:
        folder = out / (stem if number == 1 else f"{stem}-{number}")
        if _owner(folder) in (None, str(path)):
            return folder
        number += 1


def _owner(folder: Path) -> str | None:
    recorded = read_result(folder)
    return None if recorded is None else str(recorded.get("path"))


def read_result(folder: Path) -> dict[str, object] | None:
    """The ``result.json`` of a finished scan in ``folder``; None when there is none."""
    try:
        recorded = json.loads((folder / RESULT).read_text())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise refused(folder, error) from error
    except ValueError as error:
        raise OutputError(
            f"expected a result of a scan in {folder / RESULT}, got something else: "
            "remove that folder or choose another --out"
        ) from error
    return recorded if isinstance(recorded, dict) else None
