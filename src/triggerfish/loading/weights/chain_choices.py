"""What keys and shapes leave open in a plain chain: every padding, pooling and input size that fit.

The first linear layer needs a certain number of values, which rules out most combinations. The rest
are ordered by how unusual they are (`Chain.oddness`), never cut down to one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from torch import Tensor

from triggerfish.loading.weights.chain_layers import Layer, chain_layers, hidden_between
from triggerfish.loading.weights.state_dict import StateDict

SIDES = (28, 32)
"""Sides of the pictures that are tried first: MNIST's, and CIFAR's, SVHN's and GTSRB's."""
OTHER_SIDES = (64, 48, 96, 128, 224)
"""Where at those only an unusual chain fits, a usual one at these is as likely: faces are 48x48."""
MAX_MIXED = 4
"""With more convolutions than this, all have the same style of padding."""
MAX_CONVOLUTIONS = 10
_POOLS = (2, 3)  # windows; the second with stride 2


@dataclass(frozen=True)
class Chain:
    """One way to wire a chain: ``text`` is what follows ``chain:``, ``input_shape`` (C, H, W).

    ``oddness`` counts the unusual choices in it. Around the convolutions ``skippable`` a connection
    without weights would fit as well, and no name tells.
    """

    text: str
    input_shape: tuple[int, int, int]
    oddness: int
    skippable: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Block:
    """A convolution with its batch norm. ``pools`` says whether pooling may, or must, follow."""

    conv: Layer
    norm: Layer | None
    norm_is_last: bool
    pools: tuple[bool, ...]


@dataclass(frozen=True)
class _Style:
    paddings: tuple[int, ...]
    pooled: tuple[bool, ...]
    window: int
    kind: str
    stride: int


def chain_choices(state: StateDict) -> tuple[Chain, ...]:
    """All chains that fit ``state``, the usual ones first; empty when it is no plain chain."""
    layers = chain_layers(state)
    blocks, linear = _blocks(layers, state)
    if not layers or len(blocks) > MAX_CONVOLUTIONS or _begin_unseen(blocks):
        return ()
    if not blocks:
        return _without_convolutions(linear)
    found = [chain for side in SIDES for chain in _fitting(blocks, linear, side)]
    if all(chain.oddness for chain in found):
        others = [chain for side in OTHER_SIDES for chain in _fitting(blocks, linear, side)]
        found += [chain for chain in others if chain.oddness == 1 or not found]
    return tuple(sorted(found, key=lambda chain: chain.oddness))


def _begin_unseen(blocks: list[_Block]) -> bool:
    """Whether every block is an ``nn.Sequential`` that begins with a layer without weights.

    In front of the first convolution, too, that is padding of some kind, which no chain here has.
    """
    names = [block.conv.name.rpartition(".") for block in blocks]
    alone = len({parent for parent, _, _ in names}) == len(blocks) > 1
    return alone and all(number.isdecimal() and int(number) > 0 for _, _, number in names)


def _without_convolutions(linear: list[Layer]) -> tuple[Chain, ...]:
    values = linear[0].shape[1]
    for channels, side in product((1, 3), (*SIDES, *OTHER_SIDES)):
        if channels * side * side == values:
            tail = ",".join(["flat", *_tail(linear)])
            return (Chain(tail, (channels, side, side), 0),)
    return ()


def _blocks(layers: tuple[Layer, ...], state: StateDict) -> tuple[list[_Block], list[Layer]]:
    convolutions = [i for i, layer in enumerate(layers) if layer.kind == "conv"]
    blocks = []
    for i in convolutions:
        norm = layers[i + 1] if layers[i + 1].kind == "batch_norm" else None
        last = norm or layers[i]
        after = layers[i + (2 if norm else 1)]
        hidden = hidden_between(last, after)
        late = norm is not None and _norm_follows_activation(layers[i], norm, state)
        if hidden is not None:
            hidden -= (0 if late else 1) + (after.kind == "linear")
        blocks.append(_Block(layers[i], norm, late, _pools(hidden)))
    return blocks, list(layers[_first_linear(layers) :])


def _first_linear(layers: tuple[Layer, ...]) -> int:
    return next((i for i, layer in enumerate(layers) if layer.kind == "linear"), len(layers))


def _pools(hidden: int | None) -> tuple[bool, ...]:
    """Whether a block may end in pooling, by the layers without weights left in its Sequential."""
    if hidden is None or hidden == 1:
        return (True, False)  # one may be dropout
    return (hidden > 1,)


def _norm_follows_activation(conv: Layer, norm: Layer, state: StateDict) -> bool:
    """conv, activation, norm: the place in the Sequential says so, or means that are all positive.

    What comes out of a ReLU is never negative, so its running means are not; what comes out of a
    convolution is as often negative as not.
    """
    hidden = hidden_between(conv, norm)
    if hidden is not None:
        return hidden > 0
    mean: Tensor = state[f"{norm.name}.running_mean"]
    return bool((mean >= 0).all()) and mean.numel() >= 8


def _fitting(blocks: list[_Block], linear: list[Layer], side: int) -> Iterator[Chain]:
    channels = blocks[0].conv.shape[1]
    for style in _styles(blocks):
        end = _walk(blocks, style, side)
        if end is None:
            continue
        width, values = blocks[-1].conv.shape[0], linear[0].shape[1]
        texts = _text(blocks, style)
        if width * end * end == values:
            tail = [*texts, "flat", *_tail(linear)]
        elif width == values:
            tail = [*texts, "global_avg", "flat", *_tail(linear)]
        else:
            continue
        oddness = _oddness(blocks, style) + (side != (28 if channels == 1 else 32))
        skippable = tuple(_skippable(blocks, style, linear[0]))
        yield Chain(",".join(tail), (channels, side, side), oddness, skippable)


def _skippable(blocks: list[_Block], style: _Style, after: Layer) -> Iterator[str]:
    """Convolutions that give what they take, and are not in an ``nn.Sequential``, which is a chain.

    Gaps in the numbers of a Sequential are its activations; a list of layers alone has none.
    """
    followers = [*(block.conv for block in blocks[1:]), after]
    for block, padding, follower in zip(blocks, style.paddings, followers, strict=True):
        out, channels, *kernel = block.conv.shape
        keeps = style.stride == 1 and all(2 * padding == size - 1 for size in kernel)
        if out == channels and keeps and not hidden_between(block.norm or block.conv, follower):
            yield block.conv.name


def _styles(blocks: list[_Block]) -> Iterator[_Style]:
    same = tuple(block.conv.shape[2] // 2 for block in blocks)
    none = (0,) * len(blocks)
    paddings = {none, same}
    if len(blocks) <= MAX_MIXED:
        paddings |= set(product(*({0, kernel} for kernel in same)))
    for padding, pooled in product(sorted(paddings), product(*(block.pools for block in blocks))):
        if not any(pooled):
            yield from (_Style(padding, pooled, 0, "max", stride) for stride in (1, 2))
            continue
        for window, kind in product(_POOLS, ("max", "avg")):
            yield _Style(padding, pooled, window, kind, 1)


def _walk(blocks: list[_Block], style: _Style, side: int) -> int | None:
    """The side of the pictures that leave the last block; None when one of them vanishes."""
    for block, padding, pooled in zip(blocks, style.paddings, style.pooled, strict=True):
        side = (side + 2 * padding - block.conv.shape[2]) // style.stride + 1
        if pooled:
            side = (side - style.window) // 2 + 1
        if side < 1:
            return None
    return side


def _oddness(blocks: list[_Block], style: _Style) -> int:
    """How many unusual choices: mixed padding, uneven pooling, windows of 3, averages, strides."""
    same = tuple(block.conv.shape[2] // 2 for block in blocks)
    mixed = style.paddings not in (same, (0,) * len(blocks))
    widths = [block.conv.shape[0] for block in blocks]
    at_growth = tuple(a != b for a, b in zip(widths, [*widths[1:], 0], strict=True))
    every_second = tuple(i % 2 == 1 for i in range(len(blocks)))
    even = all(style.pooled) or style.pooled in (at_growth, every_second)
    return (
        mixed
        + (not even)
        + (style.window == 3)
        + (style.kind == "avg")
        + (not any(style.pooled))
        + (style.stride > 1)
    )


def _text(blocks: list[_Block], style: _Style) -> list[str]:
    tokens: list[str] = []
    for block, padding, pooled in zip(blocks, style.paddings, style.pooled, strict=True):
        settings = (f"p{padding}" if padding else "") + (
            f"s{style.stride}" if style.stride > 1 else ""
        )
        tokens.append(block.conv.name + (f"/{settings}" if settings else ""))
        norm = [block.norm.name] if block.norm else []
        tokens += ["relu", *norm] if block.norm_is_last else [*norm, "relu"]
        if pooled:
            tokens.append(f"{style.kind}{style.window}" + ("s2" if style.window == 3 else ""))
    return tokens


def _tail(layers: list[Layer]) -> list[str]:
    """Linear layers with an activation between two of them, and after a batch norm."""
    tokens: list[str] = []
    for layer, after in zip(layers, [*layers[1:], None], strict=True):
        tokens.append(layer.name)
        if after is not None and after.kind == "linear" and hidden_between(layer, after) != 0:
            tokens.append("relu")
    return tokens
