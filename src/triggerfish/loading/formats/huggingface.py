"""Hugging Face model folders: installed transformers code, local files, no remote code."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from triggerfish.errors import (
    CheckpointError,
    DangerousFileError,
    TriggerfishError,
    UnsupportedModelError,
    one_line,
)
from triggerfish.loading.contents import Contents
from triggerfish.loading.formats.image_processor import Prepared, read_processor
from triggerfish.loading.formats.safetensors import load_safetensors
from triggerfish.loading.formats.timm_folder import is_timm, timm_contents
from triggerfish.loading.guards.beginnings import read_head
from triggerfish.loading.guards.torch_file import unpickled
from triggerfish.loading.hints import Hints, LoadOptions, class_names
from triggerfish.loading.weights.containers import parts_of
from triggerfish.loading.weights.matching import build
from triggerfish.loading.weights.state_dict import StateDict

NAME = "Hugging Face model folder"
MAX_JSON_BYTES = 16 << 20

# Keys that make transformers fetch or run something beside the weights here.
_REFUSED = ("backbone", "use_pretrained_backbone", "quantization_config")
_IGNORED = ("dtype", "torch_dtype", "attn_implementation")


def read(path: Path, _head: bytes, options: LoadOptions) -> Contents:
    """Its contents; raises `CheckpointError` or `UnsupportedModelError`, nothing else."""
    config = _json(path / "config.json")
    _refuse_code(config)
    refused = [key for key in _REFUSED if config.get(key)]
    if refused:
        raise UnsupportedModelError(
            f"expected a config of installed code only, got the key {refused[0]!r} in config.json: "
            "models with backbones of their own are not loaded"
        )
    images = _image_processor(path)
    state = _weights(path)
    if is_timm(config):
        return timm_contents(NAME, config, state)
    network, hints = _network(config, state), _hints(config, images or {})
    prepared = None
    if images is not None:
        prepared = _asked(path, images, int(config.get("num_channels", 3)), options.given)
    if prepared is None:
        return Contents(hints, network=network)
    if prepared.order != tuple(range(len(prepared.order))):
        network = _Reordered(network, prepared.order)
    shape = prepared.hints.input_shape or hints.input_shape
    said = replace(prepared.hints, input_shape=shape, class_names=hints.class_names)
    return Contents(said, network=network)


def _asked(folder: Path, config: dict[str, Any], channels: int, given: Hints) -> Prepared | None:
    """What the folder's image processor does, None where only the user says it."""
    try:
        return read_processor(folder, config, channels, NAME)
    except UnsupportedModelError:
        if (given.mean, given.std, given.input_range) == (None, None, None):
            raise
        return None


def _refuse_code(config: Mapping[str, Any], place: str = "config.json") -> None:
    """Refuse classes of the folder's own Python files, which transformers would run."""
    found = config.get("auto_map")
    if not found:
        return
    values = found.values() if isinstance(found, Mapping) else [found]
    names = tuple(dict.fromkeys(str(value)[:200] for value in values))
    raise DangerousFileError(
        f"expected a config of installed code only, got auto_map in {place} with "
        f"{', '.join(names[:5])}: models with code of their own are not loaded",
        names,
    )


def _json(path: Path) -> dict[str, Any]:
    text = read_head(path, MAX_JSON_BYTES + 1)
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(
            f"expected JSON below 16 MiB in {path}, got: {one_line(error)}"
        ) from error
    if not isinstance(data, dict):
        raise CheckpointError(f"expected a JSON object in {path}, got {type(data).__name__}")
    return data


def _weights(folder: Path) -> StateDict:
    for name in ("model.safetensors", "pytorch_model.bin"):
        if (folder / name).exists():
            return _one_file(folder / name)
        if (folder / f"{name}.index.json").exists():
            return _shards(folder, f"{name}.index.json")
    raise CheckpointError(f"expected weights in {folder}, got none: fetch the model again")


def _one_file(path: Path) -> StateDict:
    head = read_head(path)
    if path.suffix == ".safetensors":
        return load_safetensors(path)
    with unpickled(path, head) as found:
        parts, _ = parts_of(found.data)
    return parts[0].state


def _shards(folder: Path, index: str) -> StateDict:
    names = _json(folder / index).get("weight_map")
    if not isinstance(names, Mapping):
        raise CheckpointError(f"expected a weight_map in {index}, got none: fetch the model again")
    state: StateDict = {}
    for name in sorted({str(value) for value in names.values()}):
        if Path(name).name != name:
            raise CheckpointError(f"expected shards in the model's folder, got {name!r}")
        state |= _one_file(folder / name)
    return state


def _network(config: dict[str, Any], state: StateDict) -> nn.Module:
    """Build the network and fill it through transformers, which renames keys of older versions."""
    transformers = _import_transformers()
    values = {k: v for k, v in config.items() if k not in _IGNORED and not k.startswith("_")}
    try:
        parsed = transformers.CONFIG_MAPPING[values.pop("model_type")].from_dict(values)
        kinds = transformers.AutoModelForImageClassification._model_mapping[type(parsed)]
        kind = _named_class(kinds, config.get("architectures"))
        _check_size(lambda: kind(parsed), state)
        with torch.random.fork_rng(devices=[]):
            network, report = kind.from_pretrained(
                None,
                config=parsed,
                state_dict=dict(state),
                output_loading_info=True,
                attn_implementation="eager",
            )
        _check_report(report)
        return network.float()  # type: ignore[no-any-return]
    except TriggerfishError:
        raise
    except Exception as error:  # whatever transformers makes of a strange config
        raise UnsupportedModelError(
            "expected an image classifier that the installed transformers knows, got "
            f"{config.get('model_type')!r} ({type(error).__name__}: {one_line(error)})"
        ) from error


def _named_class(kinds: Any, named: object) -> Any:  # noqa: ANN401 - transformers' classes
    """Of the classes for a config (DeiT has one for its teacher, too) the one that it names."""
    classes = kinds if isinstance(kinds, (tuple, list)) else (kinds,)
    names = named if isinstance(named, list) else []
    return next((kind for kind in classes if kind.__name__ in names), classes[0])


def _check_size(factory: Callable[[], object], state: StateDict) -> None:
    """Build without memory first: a config may declare a network of any size."""
    held = sum(value.numel() for value in state.values())
    with torch.device("meta"):
        needed = sum(parameter.numel() for parameter in build(factory).parameters())
    if needed > held:
        raise UnsupportedModelError(
            f"expected a config for the {held} weights in the folder, got one for {needed}"
        )


def _check_report(report: Mapping[str, Any]) -> None:
    """Every key must match: a partly loaded network never gets a verdict."""
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        keys = sorted(map(str, report.get(kind) or ()))
        if keys:
            raise UnsupportedModelError(
                f"expected the keys of the config's network, got {len(keys)} {kind[:-5]}: "
                f"{', '.join(keys[:3])}{', ...' if len(keys) > 3 else ''}"
            )


def _import_transformers() -> Any:  # noqa: ANN401 - the optional package
    try:
        transformers = importlib.import_module("transformers")
    except ImportError as error:
        raise UnsupportedModelError(
            "expected the transformers package for a Hugging Face model, got none: "
            "pip install 'triggerfish[huggingface]'"
        ) from error
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return transformers


def _hints(config: Mapping[str, Any], images: Mapping[str, Any]) -> Hints:
    """What config.json says about the input and the classes; the size as the processor's last."""
    size = next(
        filter(None, map(_size, (config.get("image_size"), images.get("size")))),
        None,
    )
    shape = (int(config.get("num_channels", 3)), *size) if size else None
    return Hints(f"{NAME} (its config)", input_shape=shape, class_names=class_names(config))


def _size(value: object) -> tuple[int, int] | None:
    match value:
        case int():
            return (value, value)
        case [int(height), int(width)] | {"height": int(height), "width": int(width)}:
            return (height, width)
    return None


def _image_processor(folder: Path) -> dict[str, Any] | None:
    """The config of the folder's image processor, where transformers looks for it."""
    for name, part in (
        ("processor_config.json", "image_processor"),
        ("preprocessor_config.json", None),
    ):
        if (folder / name).exists():
            found = _json(folder / name)
            _refuse_code(found, name)
            if part is None:
                return found
            if isinstance(found.get(part), dict):
                _refuse_code(found[part], name)
                return dict(found[part])
    return None


class _Reordered(nn.Module):
    """A network whose processor changes the order of the channels."""

    def __init__(self, network: nn.Module, order: tuple[int, ...]) -> None:
        super().__init__()
        self.network, self.order = network, list(order)

    def forward(self, x: Tensor) -> object:
        return self.network(x[:, self.order])
