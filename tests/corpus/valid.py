"""Small valid files of each format, for the others to damage."""

import functools
import io
import json
import pickle
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import h5py
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save
from torch import nn


class Tiny(nn.Module):
    """1x6x6 -> 3 classes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)
        self.fc = nn.Linear(32, 3)

    def forward(self, x):
        return self.fc(self.conv(x).relu().flatten(1))


@functools.cache
def tiny() -> Tiny:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Tiny().eval()


def state_dict() -> dict[str, torch.Tensor]:
    return dict(tiny().state_dict())


def torch_bytes(data: object, *, legacy: bool = False) -> bytes:
    stream = io.BytesIO()
    torch.save(data, stream, _use_new_zipfile_serialization=not legacy)
    return stream.getvalue()


@functools.cache
def torchscript() -> bytes:
    stream = io.BytesIO()
    torch.jit.save(torch.jit.trace(tiny(), torch.rand(2, 1, 6, 6)), stream)
    return stream.getvalue()


@functools.cache
def exported() -> bytes:
    stream = io.BytesIO()
    batch = torch.export.Dim("batch", min=1, max=64)
    images = torch.rand(2, 1, 6, 6)
    torch.export.save(torch.export.export(tiny(), (images,), dynamic_shapes=({0: batch},)), stream)
    return stream.getvalue()


def onnx_model() -> onnx.ModelProto:
    state = state_dict()
    nodes = [
        helper.make_node("Conv", ["x", "conv.weight", "conv.bias"], ["a"], name="conv"),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Flatten", ["b"], ["c"]),
        helper.make_node("Gemm", ["c", "fc.weight", "fc.bias"], ["y"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, 6, 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])],
        [numpy_helper.from_array(value.numpy(), name) for name, value in state.items()],
    )
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8)


def keras_config() -> dict:
    return {
        "class_name": "Sequential",
        "config": {
            "layers": [
                {
                    "class_name": "InputLayer",
                    "config": {"name": "in", "batch_shape": [None, 6, 6, 1]},
                },
                {"class_name": "Flatten", "config": {"name": "flat"}},
                {"class_name": "Dense", "config": {"name": "fc", "activation": "softmax"}},
            ]
        },
    }


def write_keras(path: Path, config: object = None) -> h5py.File:
    """An open HDF5 file, complete so far, for the caller to spoil and close."""
    file = h5py.File(path, "w")
    text = config if isinstance(config, str) else json.dumps(config or keras_config())
    file.attrs["model_config"] = text
    group = file.create_group("model_weights/fc/fc")
    group["kernel"] = torch.ones(36, 3).numpy()
    group["bias"] = torch.zeros(3).numpy()
    return file


@functools.cache
def keras() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "m.h5"
        write_keras(path).close()
        return path.read_bytes()


@functools.cache
def keras_archive() -> bytes:
    """The same model as `keras`, as Keras 3 lays it out."""
    weights = io.BytesIO()
    with h5py.File(weights, "w") as file:
        file["layers/dense/vars/0"] = torch.ones(36, 3).numpy()
        file["layers/dense/vars/1"] = torch.zeros(3).numpy()
    return pack(
        {
            "metadata.json": b"{}",
            "config.json": json.dumps(keras_config()).encode(),
            "model.weights.h5": weights.getvalue(),
        }
    )


def numpy_pickle() -> bytes:
    return pickle.dumps({name: value.numpy() for name, value in state_dict().items()})


def pack(entries: dict[str, bytes]) -> bytes:
    """A zip archive."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as target:
        for name, data in entries.items():
            target.writestr(name, data)
    return stream.getvalue()


@functools.cache
def by_format() -> dict[str, bytes]:
    """One valid file of each format that is a single file, by its usual suffix."""
    return {
        ".pt": torch_bytes(state_dict()),
        ".pth": torch_bytes(state_dict(), legacy=True),
        ".safetensors": save(state_dict()),
        ".torchscript": torchscript(),
        ".pt2": exported(),
        ".onnx": onnx_model().SerializeToString(),
        ".h5": keras(),
        ".keras": keras_archive(),
        ".pkl": numpy_pickle(),
    }


def rewrite(archive: bytes, changes: dict[str, bytes | None], compression: int = 0) -> bytes:
    """A zip archive with entries replaced or added (by the end of their name), or left out."""
    source, stream = zipfile.ZipFile(io.BytesIO(archive)), io.BytesIO()
    left = dict(changes)
    with zipfile.ZipFile(stream, "w", compression) as target:
        for name in source.namelist():
            key = next((k for k in changes if name == k or name.endswith("/" + k)), None)
            data = left.pop(key, changes[key]) if key else source.read(name)
            if data is not None:
                target.writestr(name, data)
        for name, data in left.items():
            if data is not None:
                target.writestr(name, data)
    return stream.getvalue()


def entry(archive: bytes, name: str) -> bytes:
    source = zipfile.ZipFile(io.BytesIO(archive))
    return source.read(next(n for n in source.namelist() if n.endswith(name)))


def place(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path
