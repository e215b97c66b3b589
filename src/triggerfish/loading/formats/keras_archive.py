"""Keras archives (``model.save("model.keras")``): a config and HDF5 weights in a zip file."""

from __future__ import annotations

import io
import re
from collections import Counter
from pathlib import Path
from typing import Any

from torch import Tensor

from triggerfish.errors import CheckpointError, TriggerfishError
from triggerfish.loading.contents import Contents
from triggerfish.loading.formats.keras_input import contents_of
from triggerfish.loading.guards.hdf5 import import_h5py, read_datasets
from triggerfish.loading.guards.keras_config import parse_config
from triggerfish.loading.guards.pytorch_archive import open_archive, read_entry
from triggerfish.loading.hints import LoadOptions
from triggerfish.loading.programs.keras_layer import Names, Weights
from triggerfish.loading.weights.state_dict import as_state_dict

NAME = "Keras archive"
CONFIG, WEIGHTS = "config.json", "model.weights.h5"
_CONFIG_BYTES, _WEIGHT_BYTES = 16 << 20, 8 << 30
# Where Keras 3 keeps layers, and where Keras 2.12 to 2.15 did.
_LAYERS = ("layers", "_layer_checkpoint_dependencies")


class _ByPlace:
    """Weights under the class of their layer and a number: ``conv2d_1/vars/0``."""

    def __init__(self, datasets: dict[tuple[str, ...], Tensor]) -> None:
        self._datasets = {path[1:]: v for path, v in datasets.items() if path[0] in _LAYERS}
        self._seen: Counter[str] = Counter()

    def weights(self, kind: str, name: str, names: Names) -> Weights:
        """The next such layer's weights; numbered as ``names``, counters left out."""
        del name
        inside = self._below(kind)
        found = {path[1]: v for path, v in inside.items() if len(path) == 2 and path[0] == "vars"}
        known = {str(i): choices[0] for i, choices in enumerate(names)}
        return as_state_dict(
            {known.get(i, i): v for i, v in found.items() if i in known or v.is_floating_point()}
        )

    def nested(self, kind: str, name: str) -> _ByPlace:
        """The layers of a model among the layers."""
        del name
        return _ByPlace(self._below(kind))

    def _below(self, kind: str) -> dict[tuple[str, ...], Tensor]:
        base = _snake_case(kind)
        number = self._seen[base]
        self._seen[base] += 1
        folder = f"{base}_{number}" if number else base
        return {path[1:]: v for path, v in self._datasets.items() if path[0] == folder}


def _snake_case(name: str) -> str:
    """``BatchNormalization`` -> ``batch_normalization``, as keras.src.utils.naming has it."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def check(path: Path) -> None:
    """Raise for what needs no HDF5 library to be seen."""
    _config_and_weights(path)


def _config_and_weights(path: Path) -> tuple[dict[str, Any], bytes]:
    with open_archive(path) as archive:
        config = parse_config(read_entry(archive, CONFIG, _CONFIG_BYTES), CONFIG)
        if WEIGHTS not in archive.namelist():
            raise CheckpointError(
                f"expected {WEIGHTS} in a Keras archive, got {', '.join(archive.namelist()[:5])}: "
                "save the model in one file"
            )
        return config, read_entry(archive, WEIGHTS, _WEIGHT_BYTES)


def read(path: Path, _head: bytes, _options: LoadOptions) -> Contents:
    """Its contents; raises `CheckpointError` or `UnsupportedModelError`, nothing else."""
    config, data = _config_and_weights(path)
    h5py = import_h5py()
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            return contents_of(NAME, config, _ByPlace(read_datasets(file, len(data))))
    except TriggerfishError:
        raise
    except Exception as error:  # HDF5 and a strange config raise anything
        raise CheckpointError(
            f"expected a whole Keras archive, got {type(error).__name__}: {str(error)[:200]}"
        ) from error
