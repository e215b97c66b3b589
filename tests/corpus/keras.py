"""Keras HDF5 files with code, links out of the file, or a config that is none."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from corpus.valid import keras_config, write_keras


def make(folder: Path, canary: str) -> Iterator[Path]:
    yield from _configs(folder, canary)
    for name in _SPOILED:
        path = folder / f"{name}.h5"
        with write_keras(path) as file:
            _SPOILED[name](file, folder)
        yield path


def _configs(folder: Path, canary: str) -> Iterator[Path]:
    def changed(**layer: object) -> dict:
        config = copy.deepcopy(keras_config())
        config["config"]["layers"][1] |= layer
        return config

    code = ["4wEAAAA=", None, None]
    configs = {
        "lambda": changed(class_name="Lambda", config={"name": "flat", "function": code}),
        "unknown": changed(class_name="Evil"),
        "registered": changed(class_name="package>Evil", registered_name="os.system"),
        "nested": changed(class_name="Model", config={"name": "m", "layers": []}),
        "no-name": changed(config={}),
        "activation": changed(
            class_name="Activation", config={"name": "a", "activation": "os.system"}
        ),
        "no-layers": {"class_name": "Sequential", "config": {"layers": []}},
        "no-config": {"class_name": "Sequential"},
        "list": [1, 2],
        "text": "not json",
        "deep": "[" * 100_000,
    }
    configs["python"] = f"__import__('os').system('touch {canary}')"
    for name, config in configs.items():
        path = folder / f"config-{name}.h5"
        write_keras(
            path, config if isinstance(config, str) else json.dumps(config)[:60_000]
        ).close()
        yield path


def _replace(file: h5py.File) -> h5py.Group:
    del file["model_weights/fc/fc/kernel"]
    return file["model_weights/fc/fc"]


def _external_link(file: h5py.File, folder: Path) -> None:
    _replace(file)["kernel"] = h5py.ExternalLink("/etc/passwd", "/x")


def _soft_link(file: h5py.File, folder: Path) -> None:
    _replace(file)["kernel"] = h5py.SoftLink("/model_weights/fc")


def _external_storage(file: h5py.File, folder: Path) -> None:
    raw = [("/etc/passwd", 0, h5py.h5f.UNLIMITED)]
    _replace(file).create_dataset("kernel", (36, 3), "f4", external=raw)


def _virtual(file: h5py.File, folder: Path) -> None:
    layout = h5py.VirtualLayout((36, 3), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (36, 3))
    _replace(file).create_virtual_dataset("kernel", layout)


def _bomb(file: h5py.File, folder: Path) -> None:
    _replace(file).create_dataset("kernel", (1 << 20, 1 << 20), "f4", chunks=(64, 64))


def _compressed(file: h5py.File, folder: Path) -> None:
    _replace(file).create_dataset("kernel", data=np.zeros((4096, 4096), "f4"), compression="gzip")


def _circle(file: h5py.File, folder: Path) -> None:
    file["model_weights/fc/fc/again"] = file["model_weights/fc"]


def _nan(file: h5py.File, folder: Path) -> None:
    file["model_weights/fc/fc/bias"][:] = np.nan


def _text(file: h5py.File, folder: Path) -> None:
    _replace(file)["kernel"] = "weights"


def _shape(file: h5py.File, folder: Path) -> None:
    _replace(file)["kernel"] = np.zeros((7, 3), "f4")


def _vector(file: h5py.File, folder: Path) -> None:
    _replace(file)["kernel"] = np.zeros(3, "f4")


def _no_weights(file: h5py.File, folder: Path) -> None:
    del file["model_weights"]


def _no_config(file: h5py.File, folder: Path) -> None:
    del file.attrs["model_config"]


_SPOILED = {
    function.__name__[1:]: function
    for function in (
        _external_link, _soft_link, _external_storage, _virtual, _bomb, _compressed, _circle, _nan,
        _text, _shape, _vector, _no_weights, _no_config,
    )
}  # fmt: skip
