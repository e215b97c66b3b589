"""Folders of timm's networks: its own hub format, and transformers' wrapper around it.

``config.json`` names the network (``architecture``, ``model_args``), and what it was trained on
(``pretrained_cfg``: input size, mean, std). The wrapper puts ``timm_model.`` before each key.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from triggerfish.errors import UnsupportedModelError, one_line
from triggerfish.loading.contents import Contents
from triggerfish.loading.hints import Hints, class_names
from triggerfish.loading.weights.matching import build, fill
from triggerfish.loading.weights.state_dict import StateDict

WRAPPER = "timm_wrapper"
_PREFIX = "timm_model."
# Arguments of timm.create_model that read files or fetch, or make something else of a network.
_REFUSED = ("checkpoint_path", "cache_dir", "features_only", "scriptable", "exportable")
_LARGEST = 1 << 16  # of the numbers in model_args: widths, depths, sizes
_FACTS = (
    "input_size",
    "mean",
    "std",
    "num_classes",
    "pool_size",
    "global_pool",
    "fixed_input_size",
)


def is_timm(config: Mapping[str, Any]) -> bool:
    """Whether a config.json is that of a network of timm."""
    kind = config.get("model_type")
    return isinstance(config.get("architecture"), str) and kind in (None, WRAPPER)


def timm_contents(name: str, config: Mapping[str, Any], state: StateDict) -> Contents:
    """The network of a config, filled with the folder's weights.

    Raises `UnsupportedModelError` where timm is not installed, does not know the network, or the
    weights do not fill it.
    """
    timm = _import_timm()
    architecture = str(config["architecture"])
    if not timm.is_model(architecture):  # nor hf-hub: and local-dir: sources, which it would read
        raise UnsupportedModelError(
            f"expected a network of the installed timm {timm.__version__}, got {architecture!r}: "
            "pip install --upgrade timm"
        )
    cfg = _training(config)
    try:
        arguments = _arguments(config)
        if config.get("model_type") != WRAPPER:
            arguments["pretrained_cfg"] = dict(cfg)
        elif "num_classes" in cfg:  # of the rest the wrapper tells its network nothing
            arguments["num_classes"] = cfg["num_classes"]

        def make() -> object:
            return timm.create_model(architecture, pretrained=False, **arguments)

        _check_size(make, state)
        network = build(make)
        data = timm.data.resolve_data_config(dict(cfg), verbose=False)
    except UnsupportedModelError:
        raise
    except Exception as error:  # whatever timm makes of a strange config
        raise UnsupportedModelError(
            f"expected a config that timm understands, got {type(error).__name__}: "
            f"{one_line(error)}"
        ) from error
    channels, height, width = (int(size) for size in data["input_size"])
    hints = Hints(
        f"{name} (its pretrained_cfg)",
        input_shape=(channels, height, width),
        mean=tuple(map(float, data["mean"])),
        std=tuple(map(float, data["std"])),
        input_range=(0.0, 1.0),
        class_names=class_names(config),
    )
    weights = {key.removeprefix(_PREFIX): value for key, value in state.items()}
    return Contents(hints, network=fill(network, weights, f"timm's {architecture}").float())


def _import_timm() -> Any:  # noqa: ANN401 - the optional package
    try:
        return importlib.import_module("timm")
    except Exception as error:  # a broken installation raises whatever it likes
        raise UnsupportedModelError(
            f"expected the timm package for a network of timm, got {type(error).__name__} on "
            "importing it: pip install timm"
        ) from error


def _training(config: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of ``pretrained_cfg``, which old folders have in the config itself."""
    source = config.get("pretrained_cfg")
    source = source if isinstance(source, Mapping) else config
    found = {key: source[key] for key in _FACTS if source.get(key) is not None}
    if config.get("num_classes") is not None:
        found["num_classes"] = config["num_classes"]
    return found


def _arguments(config: Mapping[str, Any]) -> dict[str, Any]:
    """``model_args``, where they are plain settings."""
    arguments = config.get("model_args") or {}
    for key, value in dict(arguments).items():
        numbers = value if isinstance(value, list) else [value]
        plain = all(isinstance(item, (int, float, str, bool, type(None))) for item in numbers)
        large = any(isinstance(n, (int, float)) and not abs(n) <= _LARGEST for n in numbers)
        if key.startswith("pretrained") or key in _REFUSED or not plain or large:
            raise UnsupportedModelError(
                f"expected model_args of plain settings in config.json, got {key} {str(value)[:80]}"
            )
    return dict(arguments)


def _check_size(make: Any, state: StateDict) -> None:  # noqa: ANN401
    """Build without memory first: a config may declare a network of any size."""
    held = sum(value.numel() for value in state.values())
    with torch.device("meta"):
        network: nn.Module = build(make)
    needed = sum(parameter.numel() for parameter in network.parameters())
    if needed > held:
        raise UnsupportedModelError(
            f"expected a config for the {held} weights in the folder, got one for {needed}"
        )
