"""A state dict -> the layers of a plain chain, in order, as far as names and shapes tell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from torch import Tensor

from triggerfish.loading.weights.state_dict import StateDict

LayerKind = Literal["conv", "batch_norm", "linear"]

_STATISTICS = {"running_mean", "running_var", "num_batches_tracked"}
_KNOWN = _STATISTICS | {"weight", "bias"}
_IN_BLOCK = re.compile(r"(.*\d+)\.[A-Za-z_]+\d*")  # layer1.0.conv2: a layer of a numbered block
# Names go into chain: texts and into drafted source, so they may hold nothing else.
_NAME = re.compile(r"\w+(\.\w+)*", re.ASCII)


@dataclass(frozen=True)
class Layer:
    """One layer with weights. ``shape`` is its weight's: (out, in, kh, kw), (out, in) or (C,).

    ``pictures`` says of a batch norm whether it is on pictures, and not on vectors.
    """

    name: str
    kind: LayerKind
    shape: tuple[int, ...]
    bias: bool
    pictures: bool = True


def chain_layers(state: StateDict) -> tuple[Layer, ...]:
    """The layers of a chain convolutions (with batch norms), then linear layers.

    Empty when ``state`` is no such chain: other tensors, channels that do not follow one another,
    or blocks of several convolutions, which have shortcuts as a rule: the guess would be a network
    that nobody trained.
    """
    layers = [_layer(name, tensors) for name, tensors in _by_layer(state).items()]
    known = [layer for layer in layers if layer is not None]
    if len(known) < len(layers) or not known or _has_blocks(known):
        return ()
    ordered = _with_batch_norms_in_place(known)
    if not _follow(ordered):
        return ()
    first = next(i for i, layer in enumerate(ordered) if layer.kind == "linear")
    return tuple(replace(layer, pictures=i < first) for i, layer in enumerate(ordered))


def all_layers(state: StateDict) -> tuple[Layer, ...]:
    """The convolutions, linear layers and batch norms of any state dict, in its order."""
    found = (_layer(name, tensors) for name, tensors in _by_layer(state).items())
    return tuple(layer for layer in found if layer is not None)


def hidden_between(before: Layer, after: Layer) -> int | None:
    """How many layers without weights are between two of one ``nn.Sequential``; None elsewhere."""
    (parent, _, first), (other, _, second) = before.name.rpartition("."), after.name.rpartition(".")
    if parent != other or not (first.isdecimal() and second.isdecimal()):
        return None
    return int(second) - int(first) - 1


def _by_layer(state: StateDict) -> dict[str, dict[str, Tensor]]:
    found: dict[str, dict[str, Tensor]] = {}
    for key, value in state.items():
        name, _, part = key.rpartition(".")
        found.setdefault(name, {})[part] = value
    return found


def _layer(name: str, tensors: dict[str, Tensor]) -> Layer | None:
    weight = tensors.get("weight")
    if weight is None or not _NAME.fullmatch(name) or set(tensors) - _KNOWN:
        return None
    kinds: dict[int, LayerKind] = {1: "batch_norm", 2: "linear", 4: "conv"}
    kind = kinds.get(weight.ndim)
    if kind is None or (kind == "batch_norm") != ("running_mean" in tensors):
        return None
    return Layer(name, kind, tuple(weight.shape), "bias" in tensors)


def _has_blocks(layers: list[Layer]) -> bool:
    convolutions = [layer for layer in layers if layer.kind == "conv"]
    blocks = [match[1] for one in convolutions if (match := _IN_BLOCK.fullmatch(one.name))]
    return len(set(blocks)) < len(blocks) or any(_may_be_skipped(convolutions))


def _may_be_skipped(convolutions: list[Layer]) -> Iterator[bool]:
    """For every group under a common name, whether a connection without weights may go around it.

    A group of two convolutions or more gives as many channels as it takes, and is a part alone.
    """
    groups: dict[str, list[Layer]] = {}
    for layer in convolutions:
        parts = layer.name.split(".")
        for end in range(1, len(parts)):
            groups.setdefault(".".join(parts[:end]), []).append(layer)
    for group in groups.values():
        if 1 < len(group) < len(convolutions):
            yield group[0].shape[1] == group[-1].shape[0]


def _with_batch_norms_in_place(layers: list[Layer]) -> list[Layer]:
    """Each batch norm after its convolution, where all of a kind were registered at once."""
    carriers = [layer for layer in layers if layer.kind != "batch_norm"]
    norms = [layer for layer in layers if layer.kind == "batch_norm"]
    if not norms or _follow(layers):
        return layers
    numbers = {_digits(layer.name): layer for layer in norms}
    placed: list[Layer] = []
    for carrier in carriers:
        placed.append(carrier)
        norm = numbers.get(_digits(carrier.name))
        if norm is not None and carrier.kind == "conv" and norm.shape[0] == carrier.shape[0]:
            placed.append(norm)
    return placed if len(placed) == len(layers) else layers


def _digits(name: str) -> str:
    return "".join(re.findall(r"\d+", name))


def _follow(layers: list[Layer]) -> bool:
    """Whether each layer takes what the one before gives; a flattened picture may be larger."""
    width, flat = 0, False
    for layer in layers:
        takes = layer.shape[0] if layer.kind == "batch_norm" else layer.shape[1]
        if layer.kind == "conv" and (flat or (width and takes != width)):
            return False
        if layer.kind == "batch_norm" and takes != width:
            return False
        if layer.kind == "linear":
            if width and (takes % width if not flat else takes != width):
                return False
            flat = True
        width = layer.shape[0]
    return flat and layers[-1].kind == "linear"
