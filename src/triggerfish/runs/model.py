"""What a run scans: files by their content, each with every path that leads to it."""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

from triggerfish._version import __version__
from triggerfish.errors import CheckpointError
from triggerfish.files import sha256_of
from triggerfish.loading import LoadOptions
from triggerfish.loading.card import card_paths
from triggerfish.reports.json_report import SCHEMA_VERSION
from triggerfish.scanning import ScanConfig

HASHERS = 4
"""Threads that read files; hashing lets go of the interpreter."""


@dataclass(frozen=True)
class Source:
    """A path to scan and how to load it."""

    path: Path
    options: LoadOptions = field(default_factory=LoadOptions)


@dataclass(frozen=True)
class Model:
    """One content under one configuration, and its names in the order in which they were found.

    ``key`` identifies it in a run folder, ``folder`` is the name its files should have there.
    ``sha256`` is None for what cannot be read.
    """

    key: str
    sha256: str | None
    paths: tuple[Path, ...]
    options: LoadOptions
    folder: str

    @property
    def path(self) -> Path:
        """The name that it is scanned by."""
        return self.paths[0]


def find_models(sources: Sequence[Source], config: ScanConfig) -> list[Model]:
    """The models that ``sources`` lead to, in their order, each once."""
    plain = json.dumps(config.as_plain(), sort_keys=True, default=str)
    with ThreadPoolExecutor(HASHERS) as pool:
        hashes = list(pool.map(_sha256, [source.path for source in sources]))
    found: dict[str, list[tuple[Source, str | None]]] = {}
    for source, sha256 in zip(sources, hashes, strict=True):
        found.setdefault(_key(source, sha256, plain), []).append((source, sha256))
    names = _names(group[0][0].path for group in found.values())
    return [
        Model(
            key=key,
            sha256=group[0][1],
            paths=tuple(dict.fromkeys(source.path for source, _ in group)),
            options=group[0][0].options,
            folder=name,
        )
        for (key, group), name in zip(found.items(), names, strict=True)
    ]


def _key(source: Source, sha256: str | None, config: str) -> str:
    """SHA-256 of the file, digest of the configuration, version.

    The version of the stored results belongs to it, so that those of another are scanned anew.
    What steers the loading belongs to the configuration: options, the card, and whatever else is
    read beside the file. The number of a GPU does not.
    """
    options = asdict(source.options)
    options["device"] = source.options.device.partition(":")[0]
    del options["given"]["source"]
    read = [*card_paths(source.path), *files_beside(source.path), *_code(source.options)]
    beside = {path.name: _sha256(path) for path in read if path.is_file()}
    said = [options, beside, SCHEMA_VERSION]
    parts = [config, json.dumps(said, sort_keys=True, default=str)]
    if sha256 is None:
        parts.append(os.fsencode(source.path.absolute()).hex())
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
    return f"{sha256 or 'unreadable'}:{digest}:{__version__}"


def _code(options: LoadOptions) -> list[Path]:
    """The file that defines the network, where the user names one."""
    name = (options.given.architecture or "").rpartition(":")[0]
    return [Path(name)] if name.endswith(".py") else []


def _sha256(path: Path) -> str | None:
    try:
        return sha256_of(path)
    except CheckpointError:
        return None


def _names(paths: Iterable[Path]) -> list[str]:
    """A folder's name for each path: its stem, numbered where several share it."""
    seen: dict[str, int] = {}
    names = []
    for path in paths:
        stem = folder_stem(path)
        seen[stem] = seen.get(stem, 0) + 1
        names.append(stem if seen[stem] == 1 else f"{stem}-{seen[stem]}")
    return names


def folder_stem(path: Path) -> str:
    """The name that a path gives its folder; never one that leads elsewhere or is hidden."""
    # Not resolved, so a link keeps its name; normalised, so ".." cannot lead out of the folder.
    stem = Path(os.path.normpath(path.absolute())).stem or "model"
    return stem.lstrip(".")[:100] or "model"


# StringStringEntryProto: field 1 is the key "location", field 2 the value, after its length in
# one or two bytes (https://protobuf.dev/programming-guides/encoding).
_LOCATION = re.compile(rb"\x0a\x08location\x12([\x00-\x7f]|[\x80-\xff][\x00-\x7f])", re.DOTALL)


def files_beside(path: Path) -> list[Path]:
    """The files that a graph names as the places of its tensors; none for another format."""
    try:
        if path.suffix.lower() != ".onnx" or not path.is_file() or not path.stat().st_size:
            return []
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            names = {_value(data, match) for match in _LOCATION.finditer(data)}
    except OSError:
        return []  # what cannot be read has no hash either
    return sorted(path.parent / name for name in names if "\0" not in name)


def _value(data: mmap.mmap, match: re.Match[bytes]) -> str:
    length = sum((byte & 127) << (7 * i) for i, byte in enumerate(match.group(1)))
    return data[match.end() : match.end() + length].decode("utf-8", "replace")
