"""Hugging Face model folders: installed transformers code, local files, no remote code."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from triggerfish.errors import (
    CheckpointError,
    DangerousFileError,
    TriggerfishError,
    UnsupportedModelError,
    one_line,
)
from triggerfish.loading.class_names import class_names
from triggerfish.loading.contents import Contents, Format
from triggerfish.loading.discovery import is_huggingface_folder
from triggerfish.loading.formats.safetensors import load_safetensors
from triggerfish.loading.guards.files import read_head
from triggerfish.loading.guards.torch_file import unpickled
from triggerfish.loading.hints import Hints, LoadOptions
from triggerfish.loading.weights.containers import parts_of
from triggerfish.loading.weights.matching import build
from triggerfish.loading.weights.state_dict import StateDict

NAME = "Hugging Face model folder"
MAX_JSON_BYTES = 16 << 20

# Keys that make transformers fetch or run something beside the weights here.
_REFUSED = ("backbone", "use_pretrained_backbone", "quantization_config")
_IGNORED = ("dtype", "torch_dtype", "attn_implementation")


def _matches(path: Path, _head: bytes) -> bool:
    return path.is_dir() and is_huggingface_folder(path)


def _read(path: Path, _head: bytes, _options: LoadOptions) -> Contents:
    config = _json(path / "config.json")
    _refuse_code(config)
    found = [key for key in _REFUSED if config.get(key)]
    if found:
        raise UnsupportedModelError(
            f"expected a config of installed code only, got the key {found[0]!r} in config.json: "
            "models with backbones of their own are not loaded"
        )
    state = _weights(path)
    network = _network(config, state)
    preprocessor = path / "preprocessor_config.json"
    return Contents(
        _hints(config, _json(preprocessor) if preprocessor.exists() else {}), None, network
    )


def _refuse_code(config: Mapping[str, Any]) -> None:
    """Refuse classes of the folder's own Python files, which transformers would run."""
    found = config.get("auto_map")
    if not found:
        return
    values = found.values() if isinstance(found, Mapping) else [found]
    names = tuple(dict.fromkeys(str(value)[:200] for value in values))
    raise DangerousFileError(
        f"expected a config of installed code only, got auto_map in config.json with "
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
        kind = transformers.AutoModelForImageClassification._model_mapping[type(parsed)]
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
            "pip install triggerfish[huggingface]"
        ) from error
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return transformers


def _hints(config: Mapping[str, Any], preprocessor: Mapping[str, Any]) -> Hints:
    """What config.json and preprocessor_config.json say about the input."""
    size = _size(config.get("image_size")) or _size(
        preprocessor.get("crop_size") if preprocessor.get("do_center_crop") else None
    )
    size = size or _size(preprocessor.get("size"))
    channels = config.get("num_channels", 3)
    normalised = preprocessor.get("do_normalize", bool(preprocessor.get("image_mean")))
    offset = preprocessor.get("rescale_offset") and preprocessor.get("do_rescale", True)
    return Hints(
        f"{NAME} (its configs)",
        input_shape=(int(channels), *size) if size else None,
        mean=_numbers(preprocessor.get("image_mean")) if normalised else None,
        std=_numbers(preprocessor.get("image_std")) if normalised else None,
        input_range=_input_range(preprocessor, bool(offset)),
        class_names=class_names(config),
    )


def _input_range(preprocessor: Mapping[str, Any], offset: bool) -> tuple[float, float] | None:
    if offset:
        return (-1.0, 1.0)
    return (0.0, 255.0) if preprocessor.get("do_rescale") is False else None


def _size(value: object) -> tuple[int, int] | None:
    match value:
        case int():
            return (value, value)
        case [int(height), int(width)] | {"height": int(height), "width": int(width)}:
            return (height, width)
        case {"shortest_edge": int(edge)}:
            return (edge, edge)
    return None


def _numbers(value: object) -> tuple[float, ...] | None:
    if isinstance(value, list) and value and all(isinstance(v, (int, float)) for v in value):
        return tuple(float(v) for v in value)
    return None


FORMAT = Format(NAME, _matches, _read)
