"""A pickled ``nn.Sequential`` of PyTorch's own layers -> the same network, built anew.

Its class says how its layers follow one another, and each layer keeps its settings beside its
weights, so nothing is left to assume. An author's own class has its ``forward`` in his source.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from triggerfish.loading.guards.pickle_machine import Record

_SEQUENTIAL = "torch.nn.modules.container.Sequential"
_MAX_DEPTH = 8
# What changes what a module answers, where it is not empty.
_HOOKS = ("_forward_hooks", "_forward_pre_hooks")
Held = Mapping[str, Any]


def _conv(held: Held) -> nn.Module:
    if held["transposed"] or held["output_padding"] != (0, 0):
        raise ValueError
    return nn.Conv2d(
        held["in_channels"],
        held["out_channels"],
        held["kernel_size"],
        held["stride"],
        held["padding"],
        held["dilation"],
        held["groups"],
        held["_parameters"].get("bias") is not None,
        held["padding_mode"],
    )


def _linear(held: Held) -> nn.Module:
    bias = held["_parameters"].get("bias") is not None
    return nn.Linear(held["in_features"], held["out_features"], bias)


def _norm(kind: type[nn.Module]) -> Callable[[Held], nn.Module]:
    def make(held: Held) -> nn.Module:
        if not held["track_running_stats"]:
            raise ValueError
        return kind(held["num_features"], held["eps"], held["momentum"], held["affine"])

    return make


def _with(kind: Callable[..., nn.Module], *names: str) -> Callable[[Held], nn.Module]:
    """A layer whose constructor takes these of its attributes, in this order."""
    return lambda held: kind(*(held[name] for name in names))


def _max_pool(held: Held) -> nn.Module:
    if held["return_indices"]:
        raise ValueError
    names = ("kernel_size", "stride", "padding", "dilation", "return_indices", "ceil_mode")
    return nn.MaxPool2d(*(held[name] for name in names))


_AVERAGE = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad")
_LAYERS: dict[str, Callable[[Held], nn.Module]] = {
    "conv.Conv2d": _conv,
    "linear.Linear": _linear,
    "linear.Identity": _with(nn.Identity),
    "batchnorm.BatchNorm1d": _norm(nn.BatchNorm1d),
    "batchnorm.BatchNorm2d": _norm(nn.BatchNorm2d),
    "flatten.Flatten": _with(nn.Flatten, "start_dim", "end_dim"),
    "pooling.MaxPool2d": _max_pool,
    "pooling.AvgPool2d": _with(nn.AvgPool2d, *_AVERAGE),
    "pooling.AdaptiveAvgPool2d": _with(nn.AdaptiveAvgPool2d, "output_size"),
    "pooling.AdaptiveMaxPool2d": _with(nn.AdaptiveMaxPool2d, "output_size"),
    **{f"dropout.{name}": _with(nn.Dropout, "p")
       for name in ("Dropout", "Dropout1d", "Dropout2d", "AlphaDropout")},
    **{f"activation.{name}": _with(kind) for name, kind in (
        ("ReLU", nn.ReLU), ("ReLU6", nn.ReLU6), ("SiLU", nn.SiLU), ("Tanh", nn.Tanh),
        ("Sigmoid", nn.Sigmoid), ("Hardswish", nn.Hardswish), ("Mish", nn.Mish),
        ("Hardsigmoid", nn.Hardsigmoid),
    )},
    "activation.LeakyReLU": _with(nn.LeakyReLU, "negative_slope"),
    "activation.ELU": _with(nn.ELU, "alpha"),
    "activation.GELU": lambda held: nn.GELU(held.get("approximate", "none")),
    "activation.Softmax": _with(nn.Softmax, "dim"),
    "activation.LogSoftmax": _with(nn.LogSoftmax, "dim"),
}  # fmt: skip


def network_of(module: Record) -> nn.Module | None:
    """The untrained network that a pickled module is; None where only its author can say."""
    try:
        return _sequential(module, 0)
    except (KeyError, TypeError, ValueError, RuntimeError):
        return None


def _sequential(module: Record, depth: int) -> nn.Module:
    held: Any = module.attributes
    if depth > _MAX_DEPTH or "forward" in held or any(held.get(hook) for hook in _HOOKS):
        raise ValueError
    if module.name == _SEQUENTIAL:
        network = nn.Sequential()
        for name, child in held["_modules"].items():
            network.add_module(str(name), _sequential(child, depth + 1))
        return network
    return _LAYERS[module.name.removeprefix("torch.nn.modules.")](held)
