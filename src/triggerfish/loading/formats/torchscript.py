"""TorchScript archives (``torch.jit.save``): checked as source before PyTorch compiles them."""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path

import torch

from triggerfish.errors import CheckpointError, UnsupportedModelError, one_line
from triggerfish.loading.contents import Contents
from triggerfish.loading.guards.pickle_check import check_pickle, is_script_name
from triggerfish.loading.guards.pytorch_archive import (
    archive_root,
    check_storage,
    open_archive,
    read_entry,
)
from triggerfish.loading.guards.torchscript_check import check_source
from triggerfish.loading.hints import Hints, LoadOptions
from triggerfish.loading.programs.script_graph import simplified
from triggerfish.loading.weights.state_dict import checked

NAME = "TorchScript program"
MAX_SOURCE_BYTES = 16 << 20


def read(path: Path, _head: bytes, _options: LoadOptions) -> Contents:
    """Its contents; raises `CheckpointError` or `UnsupportedModelError`, nothing else."""
    return Contents(Hints(NAME), network=read_program(path))


def read_program(path: Path, *, any_operator: bool = False) -> torch.jit.ScriptModule:
    """Check and load a TorchScript archive; with ``any_operator`` to be read, not to be run."""
    _check_archive(path, any_operator=any_operator)
    try:
        network = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
        checked(network.state_dict())
        return simplified(network.eval())
    except (RuntimeError, ValueError, MemoryError) as error:
        raise CheckpointError(
            f"expected a TorchScript program that loads, got: {one_line(error)}"
        ) from error


def _check_archive(path: Path, *, any_operator: bool) -> None:
    with open_archive(path) as archive:
        root = archive_root(archive, "constants.pkl")
        assert root is not None
        sources = {
            name: _text(name, read_entry(archive, name, MAX_SOURCE_BYTES))
            for name in archive.namelist()
            if name.endswith(".py")
        }
        check_source(sources, any_operator=any_operator)
        for folder in ("data", "constants"):
            data = read_entry(archive, f"{root}{folder}.pkl")
            check = partial(check_storage, archive, f"{root}{folder}/")
            check_pickle(io.BytesIO(data), check, is_script_name)


def _text(name: str, data: bytes) -> str:
    try:
        return data.decode("ascii")
    except UnicodeDecodeError as error:
        raise UnsupportedModelError(
            f"expected TorchScript in ASCII, got other bytes in {name}: trace the model again"
        ) from error
