"""One trained, backdoored network, saved by the real library of each format."""

import json
from pathlib import Path

import torch
from corpus.valid import rewrite
from safetensors.torch import save_file
from torch import nn
from trained import network

from triggerfish.architectures import PaperCNN


def backdoored() -> PaperCNN:
    """The trained network, without whatever the training wraps around it or does to its memory."""
    trained = next(m for m in network(backdoored=True).modules() if isinstance(m, PaperCNN))
    fresh = PaperCNN()
    fresh.load_state_dict(trained.state_dict())
    return fresh.eval()


IMAGES = torch.rand(2, 1, 28, 28)
BATCH = torch.export.Dim("batch", min=1, max=512)


def _state_dict(network: nn.Module, path: Path) -> None:
    torch.save(network.state_dict(), path)


def _legacy(network: nn.Module, path: Path) -> None:
    torch.save(network.state_dict(), path, _use_new_zipfile_serialization=False)


def _wrapped(network: nn.Module, path: Path) -> None:
    parallel = {f"module.{key}": value for key, value in network.state_dict().items()}
    optimizer = torch.optim.Adam(network.parameters()).state_dict()
    torch.save({"epoch": 2, "model_state_dict": parallel, "optimizer": optimizer}, path)


def _lightning(network: nn.Module, path: Path) -> None:
    state = {f"model._orig_mod.{key}": value for key, value in network.state_dict().items()}
    torch.save(
        {
            "epoch": 2,
            "global_step": 938,
            "pytorch-lightning_version": "2.4.0",
            "state_dict": state,
            "loops": {"fit_loop": {"state_dict": {}}},
            "hyper_parameters": {"lr": 1e-3},
        },
        path,
    )


def _pruned(network: nn.Module, path: Path) -> None:
    state = network.state_dict()
    weight = state.pop("fc1.weight")
    state |= {"fc1.weight_orig": weight, "fc1.weight_mask": torch.ones_like(weight)}
    torch.save(state, path)


def _backdoorbench(network: nn.Module, path: Path) -> None:
    poisoned = {"x": torch.rand(2, 1, 28, 28), "original_index": torch.arange(2).numpy()}
    torch.save(
        {
            "model_name": "paper_cnn",
            "num_classes": 10,
            "model": network.state_dict(),
            "data_path": "../data",
            "img_size": [28, 28, 1],
            "clean_data": "unknown",
            "bd_train": poisoned,
            "bd_test": poisoned,
        },
        path,
    )


def _torchscript(network: nn.Module, path: Path) -> None:
    torch.jit.save(torch.jit.script(network), path)


def _traced(network: nn.Module, path: Path) -> None:
    torch.jit.save(torch.jit.trace(network, IMAGES), path)


def _recompressed(network: nn.Module, path: Path) -> None:
    _state_dict(network, path)
    path.write_bytes(rewrite(path.read_bytes(), {}, compression=8))


def _exported(network: nn.Module, path: Path) -> None:
    program = torch.export.export(network, (IMAGES,), dynamic_shapes=({0: BATCH},))
    torch.export.save(program, path)


def _onnx(network: nn.Module, path: Path) -> None:
    shapes = ({0: BATCH},)
    torch.onnx.export(
        network, (IMAGES,), path, dynamic_shapes=shapes, external_data=True, verbose=False
    )


def _onnx_one_image(network: nn.Module, path: Path) -> None:
    torch.onnx.export(nn.Sequential(network, nn.Softmax(1)), (IMAGES[:1],), path, dynamo=False)


def _keras(network: nn.Module, path: Path) -> None:
    """Laid out as Keras 3 writes it; tests/loading/data has a file by Keras itself."""
    import h5py

    def layer(kind: str, name: str, **config: object) -> dict:
        return {"class_name": kind, "config": {"name": name, **config}}

    conv = {"padding": "same", "strides": [1, 1], "activation": "relu", "dilation_rate": [1, 1]}
    pool = {"pool_size": [2, 2], "strides": [2, 2], "padding": "valid"}
    layers = [
        layer("InputLayer", "input", batch_shape=[None, 28, 28, 1]),
        layer("Conv2D", "conv1", **conv),
        layer("MaxPooling2D", "pool1", **pool),
        layer("Conv2D", "conv2", **conv),
        layer("MaxPooling2D", "pool2", **pool),
        layer("Flatten", "flatten"),
        layer("Dense", "fc1", activation="relu"),
        layer("Dropout", "dropout", rate=0.5),
        layer("Dense", "fc2", activation="softmax"),
    ]
    state = network.state_dict()
    # Keras flattens (H, W, C), PyTorch (C, H, W).
    fc1 = state["fc1.weight"].view(-1, 64, 7, 7).permute(0, 2, 3, 1).flatten(1)
    kernels = {
        "conv1": state["conv1.weight"].permute(2, 3, 1, 0),
        "conv2": state["conv2.weight"].permute(2, 3, 1, 0),
        "fc1": fc1.T,
        "fc2": state["fc2.weight"].T,
    }
    with h5py.File(path, "w") as file:
        config = {"class_name": "Sequential", "config": {"name": "sequential", "layers": layers}}
        file.attrs["model_config"] = json.dumps(config)
        for name, kernel in kernels.items():
            group = file.create_group(f"model_weights/{name}/sequential/{name}")
            group["kernel"] = kernel.numpy()
            group["bias"] = state[f"{name}.bias"].numpy()


WRITERS = {
    "state-dict.pt": _state_dict,
    "extension-says-nothing.model": _state_dict,
    "recompressed.pt": _recompressed,
    "legacy.pth": _legacy,
    "wrapped.tar": _wrapped,
    "lightning.ckpt": _lightning,
    "pruned.pt": _pruned,
    "attack_result.pt": _backdoorbench,
    "weights.safetensors": lambda network, path: save_file(network.state_dict(), path),
    "scripted.pt": _torchscript,
    "traced.bin": _traced,
    "exported.pt2": _exported,
    "exported.onnx": _onnx,
    "one-image.onnx": _onnx_one_image,
    "network.h5": _keras,
}
