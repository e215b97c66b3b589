"""Keras HDF5 files: a model with its config (``model.save("model.h5")``), or weights alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from torch import Tensor

from triggerfish.errors import CheckpointError, TriggerfishError, one_line
from triggerfish.loading.contents import Contents
from triggerfish.loading.formats.keras_input import contents_of
from triggerfish.loading.formats.keras_weights import weights_alone
from triggerfish.loading.guards.hdf5 import import_h5py, read_datasets
from triggerfish.loading.guards.keras_config import parse_config
from triggerfish.loading.hints import LoadOptions
from triggerfish.loading.programs.keras_layer import Names, Weights
from triggerfish.loading.weights.state_dict import as_state_dict

NAME = "Keras HDF5 model"


# Counters and the state of random layers, which do not enter what a layer computes.
_BESIDE = ("count", "iterations", "seed_generator_state")


class _ByName:
    """Weights under their layer's name: ``conv/kernel:0``, ``model/conv/kernel:0`` and the like."""

    def __init__(self, datasets: dict[tuple[str, ...], Tensor], level: int = 0) -> None:
        """``level`` is which of a path's names is the layer's: the first, or the last but one."""
        self._datasets, self._level = datasets, level

    def weights(self, kind: str, name: str, names: Names) -> Weights:
        """A layer's weights by their short names."""
        del kind, names
        found: dict[str, Tensor] = {}
        for path, value in self._datasets.items():
            # A layer's nameless weight is numbered through the whole model.
            short = re.sub(r"^variable_\d+$", "variable", path[-1].partition(":")[0])
            if len(path) < 2 or path[self._level] != name or short in _BESIDE:
                continue
            if short in found:
                raise CheckpointError(f"expected weights once, got {short} of {name} twice")
            found[short] = value
        return as_state_dict(found)

    def nested(self, kind: str, name: str) -> _ByName:
        """The layers of a model among the layers, which Keras writes below its name."""
        del kind
        inside = {path: value for path, value in self._datasets.items() if name in path[:-2]}
        return _ByName(inside, -2)


def read(path: Path, _head: bytes, _options: LoadOptions) -> Contents:
    """Its contents; raises `CheckpointError` or `UnsupportedModelError`, nothing else."""
    h5py = import_h5py()
    try:
        with h5py.File(path, "r") as file:
            return _contents(file, path.stat().st_size)
    except TriggerfishError:
        raise
    except Exception as error:  # HDF5 and a strange config raise anything
        raise CheckpointError(
            f"expected a whole Keras model, got {type(error).__name__}: {one_line(error)}"
        ) from error


def _contents(file: Any, file_size: int) -> Contents:  # noqa: ANN401
    text = file.attrs.get("model_config")
    if text is None:
        return weights_alone(file, file_size)
    config = parse_config(text, "the file")
    return contents_of(NAME, config, _ByName(read_datasets(file["model_weights"], file_size)))
