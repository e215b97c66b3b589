"""Whole pickled modules (``torch.save(model)``): only with ``--unsafe-pickle``.

Unpickling runs whatever code the file names. It happens in a child process without network, which
traces the module; the parent reads the trace, as it reads any stranger's TorchScript.
"""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import torch
from torch import nn

from triggerfish.errors import CheckpointError, UnsupportedModelError, one_line
from triggerfish.loading.contents import Contents
from triggerfish.loading.formats import torchscript
from triggerfish.loading.guards import sandbox
from triggerfish.loading.hints import Hints, LoadOptions
from triggerfish.loading.weights.state_dict import WRAPPERS

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
        data = torch.load(path, map_location="cpu", weights_only=False)
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


def _module(data: object) -> nn.Module:
    if isinstance(data, dict):
        data = next((data[name] for name in WRAPPERS if name in data), data)
    if not isinstance(data, nn.Module):
        raise UnsupportedModelError(f"expected a pickled module, got {type(data).__name__}")
    return data
