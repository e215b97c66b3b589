"""Results on disk -> `Scanned` and `Skipped` again, so that any report can be made without a scan.

The inverse of `reports.json_report` and `reports.evidence`. Images come back from the PNG files
beside a result, in 256 levels; logits are not stored and come back as NaN.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import Tensor

from triggerfish.errors import ResultError
from triggerfish.reports.evidence import EVIDENCE, read_evidence
from triggerfish.reports.json_report import SCHEMA_VERSION
from triggerfish.results import Scanned, Skipped
from triggerfish.revive import Artefacts, revive

Document = Mapping[str, Any]


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
        with reviving(file):
            yield from _revived(document, file.parent)


@contextmanager
def reviving(file: Path) -> Iterator[None]:
    """Turn what wrong data provokes into a `ResultError` that names the file."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError, OSError) as error:
        raise ResultError(
            f"expected a result of a scan in {file}, got something else "
            f"({type(error).__name__}: {error}): scan the model again"
        ) from error


def _revived(document: Document, folder: Path) -> Iterator[Scanned | Skipped]:
    """A stored result has its images beside it; those of a whole scan are not with the document."""
    if "results" in document:
        yield from (revive(result, Artefacts()) for result in document["results"])
    else:
        yield revive(document, FolderArtefacts(folder))


class FolderArtefacts(Artefacts):
    """The files that a scan left beside ``result.json``; what is missing is left out."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        evidence = folder / EVIDENCE
        try:
            self._tensors = read_evidence(evidence.read_bytes()) if evidence.is_file() else {}
        except SafetensorError as error:
            raise ValueError(f"{EVIDENCE}: {error}") from error

    def tensor(self, name: str) -> Tensor | None:
        """A tensor of ``evidence.safetensors``."""
        return self._tensors.get(name)

    def file(self, name: str) -> bytes | None:
        """The content of a file."""
        path = self._folder / name
        return path.read_bytes() if path.is_file() else None


def _documents(file: Path) -> Iterator[Document]:
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ResultError(
            f"expected results of a scan in {file}, got '{error}': check the path"
        ) from error
    for document in _parsed(text, file):
        version = document.get("schema_version") if isinstance(document, dict) else None
        if version != SCHEMA_VERSION:
            raise ResultError(
                f"expected results of schema version {SCHEMA_VERSION} in {file}, got "
                f"{version or 'something else'}: scan again with this version of triggerfish"
            )
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
