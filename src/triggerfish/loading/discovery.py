"""Paths -> model files: folders walked, ``hf://owner/name`` fetched from the hub."""

from __future__ import annotations

import importlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from triggerfish.errors import CheckpointError, UnsupportedModelError
from triggerfish.loading.foreign import parts_of_models
from triggerfish.loading.looks import looks_like_model

_SUFFIXES = """
    .pt .pth .bin .ckpt .pkl .pickle .tar .t7 .model .weights .safetensors .pt2 .ts .torchscript
    .jit .onnx .h5 .hdf5 .keras
"""
MODEL_SUFFIXES = frozenset(_SUFFIXES.split())
_HF_WEIGHTS = (
    "model.safetensors",
    "pytorch_model.bin",
    "model.safetensors.index.json",
    "pytorch_model.bin.index.json",
)


def local(path: str | Path) -> Path:
    """A path of this machine, for which a model of the Hugging Face hub is fetched first."""
    if not str(path).startswith("hf:/"):
        return Path(path)
    return fetch(path, ("*.json", *(f"*{suffix}" for suffix in sorted(MODEL_SUFFIXES))))


def is_huggingface_folder(path: Path) -> bool:
    """Whether a folder is itself one Hugging Face model: a config beside its weights."""
    return (path / "config.json").is_file() and any((path / name).exists() for name in _HF_WEIGHTS)


def find_checkpoints(paths: Iterable[str | Path]) -> list[Path]:
    """Model files among ``paths``: files as given, folders walked, each in sorted order, once.

    A path that was named is always returned, whatever it is, so that the scan can say why it is
    skipped. Inside folders files with a model's suffix count, and those whose content looks like a
    model, of any framework and under any name; hidden ones never. A folder that is a model of
    Hugging Face counts as one. Symbolic links are followed, loops are cut.
    ``hf://owner/name`` is fetched; raises `CheckpointError` when that fails.
    """
    found: dict[Path, None] = {}
    for path in map(local, paths):
        for model in _models(path) if path.is_dir() else [path]:
            found.setdefault(model)
    return list(found)


def other_files(paths: Iterable[str | Path]) -> dict[str, int]:
    """How many files in the folders among ``paths`` are not taken for models, by suffix.

    Model cards are told apart, and files inside a model's own folder do not count.
    """
    folders = [path for path in map(Path, paths) if path.is_dir()]
    found = {file for folder in folders for file in _walk(folder, set()) if not _is_model(file)}
    others = (f.suffix.lower() or "no suffix" for f in found if ".card." not in f.name)
    return dict(sorted(Counter(others).items()))


def _models(folder: Path) -> Iterator[Path]:
    return filter(_is_model, _walk(folder, set()))


def _is_model(path: Path) -> bool:
    """Whether to read it as a model; so is a folder that cannot be listed, to name the reason."""
    return path.suffix.lower() in MODEL_SUFFIXES or path.is_dir() or looks_like_model(path)


def _walk(folder: Path, seen: set[str]) -> Iterator[Path]:
    """Files, and folders that are one model."""
    if is_huggingface_folder(folder):
        yield folder
        return
    real = os.path.realpath(folder)
    if real in seen:
        return
    seen.add(real)
    try:
        items = sorted(folder.iterdir())
    except OSError:
        # Returned as it is: reading it as a model then names the reason.
        yield folder
        return
    shards = parts_of_models(folder)
    for item in items:
        if item.name.startswith(".") or (item in shards and not looks_like_model(item)):
            continue
        if item.is_dir():
            yield from _walk(item, seen)
        else:
            yield item


# Path("hf://owner/name") drops the second slash.
_REFERENCE = re.compile(r"hf:/{1,2}([\w.-]+/[\w.-]+)(?:@([\w./-]+))?")


def fetch(path: str | Path, patterns: Sequence[str]) -> Path:
    """The local folder of ``hf://owner/name`` or ``hf://owner/name@revision``.

    Only files that fit ``patterns`` are fetched. A branch or tag is resolved to its commit first,
    which names the folder that is returned. Raises
    `UnsupportedModelError` without huggingface_hub, and `CheckpointError` when nothing comes.
    """
    match = _REFERENCE.fullmatch(str(path))
    if match is None:
        raise CheckpointError(
            f"{path} is no name on the hub: write hf://owner/name or hf://owner/name@revision"
        )
    name, revision = match.groups()
    try:
        hub = importlib.import_module("huggingface_hub")
    except ImportError as error:
        raise UnsupportedModelError(
            f"{name} cannot be fetched without the huggingface_hub package: "
            "pip install 'triggerfish[huggingface]'"
        ) from error
    try:
        commit = str(hub.HfApi().model_info(name, revision=revision).sha)
        return Path(hub.snapshot_download(name, revision=commit, allow_patterns=list(patterns)))
    except Exception as error:  # the hub's client raises many kinds, the network's among them
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise CheckpointError(
            f"{name} cannot be fetched from the Hugging Face hub ({line[:200]}): check the name "
            "and the network"
        ) from error
