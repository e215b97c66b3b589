"""Whole pickled modules (``torch.save(model)``): only with ``--unsafe-pickle``.

Unpickling runs whatever code the file names. It happens in a child process without network, which
traces the module; the parent reads the trace, as it reads any stranger's TorchScript.
"""

from __future__ import annotations

import pickle
import tempfile
import warnings
from pathlib import Path

import torch
from torch import nn

from triggerfish.errors import CheckpointError, UnsupportedModelError, one_line
from triggerfish.loading.contents import Contents
from triggerfish.loading.formats import torchscript
from triggerfish.loading.guards import sandbox
from triggerfish.loading.guards.beginnings import read_head
from triggerfish.loading.guards.torch_file import LEGACY_MAGIC, ZIP_MAGIC
from triggerfish.loading.hints import Hints, LoadOptions

WARNING = (
    "unpickling runs code from the file: it runs in a child process without network, but with your "
    "rights on this machine's files"
)


def read_pickled_module(path: Path, options: LoadOptions) -> Contents:
    """Convert a pickled module in a child process, after a warning, and read the result."""
    warnings.warn(f"{path}: {WARNING}", UserWarning, stacklevel=2)
    with tempfile.TemporaryDirectory(prefix="triggerfish-") as folder:
        target = Path(folder) / "traced.pt"
        sandbox.convert_pickled_module(path, options, target)
        contents = torchscript.read_program(target)
    return Contents(Hints("pickled module, traced"), network=contents)


def trace_pickled(path: Path, target: Path, given: Hints) -> None:
    """In the child: unpickle, find the module, trace it on noise of the given input shape."""
    try:
        data = _unpickled(path)
    except Exception as error:  # the file's code may raise anything
        raise CheckpointError(
            f"expected a pickled module that loads here, got {type(error).__name__}: "
            f"{one_line(error)}: install the package that defines it"
        ) from error
    module = _module(data)
    shape = given.input_shape or (1, 28, 28)
    with torch.no_grad():
        traced = torch.jit.trace(  # type: ignore[no-untyped-call]
            module.eval(), torch.rand(2, *shape), check_trace=False
        )
    torch.jit.save(traced, target)


def _unpickled(path: Path) -> object:
    head = read_head(path, 64)
    if head.startswith((ZIP_MAGIC, LEGACY_MAGIC)):
        return torch.load(path, map_location="cpu", weights_only=False)
    with path.open("rb") as stream:
        return pickle.load(stream)


def _module(data: object) -> nn.Module:
    """The module itself, or the only one that a dictionary or an object of a package holds."""
    if isinstance(data, nn.Module):
        return data
    held = data if isinstance(data, dict) else getattr(data, "__dict__", {})
    modules = [value for value in held.values() if isinstance(value, nn.Module)]
    networks = [module for module in modules if any(True for _ in module.parameters())]
    if len(networks) != 1:
        raise UnsupportedModelError(
            f"expected a pickled module, got {type(data).__name__} with {len(networks)}"
        )
    return networks[0]
