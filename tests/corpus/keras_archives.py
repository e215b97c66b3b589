"""Keras archives and weights alone: code in the config, lies about weights, bombs, ways out."""

import copy
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np

from corpus.valid import keras_archive, keras_config, place, rewrite

Spoil = Callable[[h5py.File], None]


def make(folder: Path, canary: str) -> Iterator[Path]:
    valid = keras_archive()
    for name, config in _configs(canary).items():
        yield place(folder, f"{name}.keras", rewrite(valid, {"config.json": config.encode()}))
    for name, spoil in _WEIGHTS.items():
        yield place(folder, f"{name}.keras", rewrite(valid, {"model.weights.h5": _weights(spoil)}))
    entries = {
        "traversal": {"../../evil": b"x"},
        "no-weights": {"model.weights.h5": None},
        "no-hdf5": {"model.weights.h5": b"x" * 99},
        "bomb": {"assets/a": b"\0" * (4 << 20)},
    }
    for name, changes in entries.items():
        packed = rewrite(valid, changes, zipfile.ZIP_DEFLATED)
        yield place(folder, f"archive-{name}.keras", packed)
    for name, spoil in _ALONE.items():
        yield place(folder, f"{name}.weights.h5", _weights(spoil))


def _configs(canary: str) -> dict[str, str]:
    def changed(**layer: object) -> str:
        config = copy.deepcopy(keras_config())
        config["config"]["layers"][1] |= layer
        return json.dumps(config)

    system = {"module": "os", "class_name": "function", "config": "system"}
    code = {"class_name": "__lambda__", "config": {"code": "4wEAAAA="}}
    nested: dict = {"class_name": "Sequential", "config": {"name": "s", "layers": []}}
    for _ in range(40):
        nested = {"class_name": "Sequential", "config": {"name": "s", "layers": [nested]}}
    return {
        "lambda": changed(class_name="Lambda", config={"name": "flat", "function": code}),
        "module": changed(config={"name": "flat", "activation": system}),
        "build": changed(build_config={"module": "subprocess", "class_name": "Popen"}),
        "custom": changed(registered_name="evil>Flatten"),
        "option": changed(config={"name": "flat", "surprise": 1}),
        "nested": json.dumps(nested),
        "deep": "[" * 100_000,
        "huge": json.dumps({**keras_config(), "padding": " " * (17 << 20)}),
        "text": f"open({canary!r}, 'w')",
        "null": "null",
    }


def _weights(spoil: Spoil) -> bytes:
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file["layers/dense/vars/0"] = np.ones((36, 3), "f4")
        file["layers/dense/vars/1"] = np.zeros(3, "f4")
        spoil(file)
    return stream.getvalue()


def _replaced(value: object) -> Spoil:
    def spoil(file: h5py.File) -> None:
        del file["layers/dense/vars/0"]
        file["layers/dense/vars/0"] = value

    return spoil


def _many_groups(file: h5py.File) -> None:
    file["/".join(["layers", *["a"] * 60])] = np.zeros(1, "f4")


def _missing(file: h5py.File) -> None:
    del file["layers/dense/vars/1"]


def _more(file: h5py.File) -> None:
    file["layers/dense/vars/2"] = np.zeros(3, "f4")


def _sparse(file: h5py.File) -> None:
    del file["layers/dense/vars/0"]
    file["layers/dense/vars"].create_dataset("0", (1 << 20, 1 << 20), "f4", chunks=(64, 64))


_WEIGHTS: dict[str, Spoil] = {
    "link": _replaced(h5py.ExternalLink("/etc/passwd", "/x")),
    "shape": _replaced(np.ones((7, 3), "f4")),
    "integers": _replaced(np.ones((36, 3), "i4")),
    "nan": _replaced(np.full((36, 3), np.nan, "f4")),
    "missing": _missing,
    "more": _more,
    "sparse": _sparse,
}
_ALONE: dict[str, Spoil] = {
    "groups": _many_groups,
    "alone-nan": _replaced(np.full((36, 3), np.nan, "f4")),
    "alone-vector": _replaced(np.ones(3, "f4")),
    "alone-link": _replaced(h5py.SoftLink("/layers")),
    "alone": lambda file: None,  # no network is named
}
