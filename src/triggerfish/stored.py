"""Results -> files -> `Scanned` and `Skipped` again, so that any report can be made without a scan.

Tensors come back from ``evidence.safetensors`` and the images of classes from the PNG files beside
a result, in 256 levels; logits are not stored, and come back without rows.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError
from torch import Tensor

from triggerfish.codec.tensors import Shelf, read_tensors
from triggerfish.errors import OutputError, ResultError
from triggerfish.files import ensure_writable, refused, write_file
from triggerfish.reports.artefacts import EVIDENCE, RESULT, render_artefacts
from triggerfish.reports.class_table import image_name
from triggerfish.reports.json_report import SCHEMA_VERSION, result_of
from triggerfish.results import Scanned, Skipped

Document = dict[str, Any]


def write_artefacts(result: Scanned | Skipped, folder: Path) -> None:
    """Write every file of one result into ``folder``, ``result.json`` last."""
    ensure_writable(folder)
    for name, content in render_artefacts(result):
        write_file(folder / name, content)


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


def read_results(path: Path) -> Iterator[Scanned | Skipped]:
    """The results in a JSON or JSON lines file, or in every ``result.json`` below a folder.

    Raises:
        ResultError: there are none, or something else is found in their place.
    """
    files = sorted(path.rglob("result.json")) if path.is_dir() else [path]
    if not files:
        raise ResultError(
            f"expected results of a scan in {path}, got a folder without a result.json: "
            "name a folder that was given to scan --out, or a file of --format json"
        )
    for file in files:
        yield from read_file(file)


def read_file(file: Path) -> Iterator[Scanned | Skipped]:
    """The results in one file, with the images that lie beside it."""
    for document in _documents(file):
        if "results" in document:  # those of a whole scan have nothing beside them
            for result in document["results"]:
                yield revived_from(result, None, file)
        else:
            yield revived_from(document, file.parent, file)


def revived_from(document: Document, folder: Path | None, file: Path) -> Scanned | Skipped:
    """The result that a document of ``file`` was made of, with what lies in ``folder``.

    Raises:
        ResultError: it was made of something else, or by another version.
    """
    with _reviving(file):
        result = result_of(document, None if folder is None else _shelf(folder))
        if folder is None or isinstance(result, Skipped):
            return result
        images = _images(result.scores.classes, result.scores.images.shape[1:], folder)
        if images is None:
            return result
        return replace(result, scores=replace(result.scores, images=images))


def check_version(document: object, file: Path) -> None:
    """Refuse results of another schema, in a sentence that says how to get them anew."""
    version = document.get("schema_version") if isinstance(document, dict) else None
    if version == SCHEMA_VERSION:
        return
    if isinstance(version, int):
        raise ResultError(
            f"{file} has results of version {version}, and this triggerfish reads version "
            f"{SCHEMA_VERSION}: scan the models again, with the same --out "
            "(docs/automation.md says what has changed)"
        )
    raise ResultError(
        f"expected results of a scan in {file}, got something else: name a folder that was given "
        "to scan --out, or a file of --format json or jsonl"
    )


@contextmanager
def _reviving(file: Path) -> Iterator[None]:
    """Turn what wrong data provokes into a `ResultError` that names the file."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError, OSError) as error:
        raise ResultError(
            f"expected a result of a scan in {file}, got something else "
            f"({type(error).__name__}: {error}): scan the model again"
        ) from error


def _shelf(folder: Path) -> Shelf:
    """The tensors that a scan left beside ``result.json``; what is missing is left out."""
    evidence = folder / EVIDENCE
    try:
        return Shelf(read_tensors(evidence.read_bytes()) if evidence.is_file() else {})
    except SafetensorError as error:
        raise ValueError(f"{EVIDENCE}: {error}") from error


def _images(classes: tuple[int, ...], shape: torch.Size, folder: Path) -> Tensor | None:
    """Images (M, C, H, W) in [0, 1] from their PNG files, None when one of them is missing."""
    files = [folder / image_name(label) for label in classes]
    if not files or not all(file.is_file() for file in files):
        return None
    return torch.stack([_image(file.read_bytes(), shape) for file in files])


def _image(content: bytes, shape: torch.Size) -> Tensor:
    """The inverse of `reports.images.render_image`."""
    values = torch.from_numpy(np.array(Image.open(io.BytesIO(content)))).float() / 255
    if values.ndim == 3:
        return values.permute(2, 0, 1)
    return values.view(len(values), -1, shape[2]).permute(1, 0, 2)


def _documents(file: Path) -> Iterator[Document]:
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ResultError(
            f"expected results of a scan in {file}, got '{error}': check the path"
        ) from error
    for document in _parsed(text, file):
        check_version(document, file)
        yield document


def _parsed(text: str, file: Path) -> list[Any]:
    """One document, or one a line."""
    try:
        return [json.loads(text)]
    except json.JSONDecodeError:
        lines = [line for line in text.splitlines() if line.strip()] or [""]
    try:
        return [json.loads(line) for line in lines]
    except json.JSONDecodeError as error:
        raise ResultError(
            f"expected JSON or JSON lines in {file}, got something else at line {error.lineno}: "
            "name a result.json, or a file of --format json or jsonl"
        ) from error
