"""What a program does to its input before the first layer: a fact about the images it takes.

The program is run on a black, a white and a shaded image, and PyTorch is asked for every operation
on the way. As long as operations with constants only shift and scale the values, or move them, what
has become of black and white says how; the first other operation on them ends it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from triggerfish.loading.hints import Hints
from triggerfish.loading.programs.batches import FixedBatch
from triggerfish.model.memory import is_out_of_memory

# Names of ``torch.ops.aten`` whose first argument is the image; the others must not depend on it.
_SHIFT_OR_SCALE = frozenset(("add", "sub", "rsub", "mul", "div", "true_divide"))
_MOVES = """
    permute transpose view reshape _unsafe_view _reshape_alias expand clone contiguous _to_copy
    alias detach flip index_select unsqueeze squeeze lift_fresh clamp upsample_bilinear2d
    upsample_nearest2d upsample_bicubic2d _upsample_bilinear2d_aa
"""
_MOVE = frozenset(_MOVES.split())
_BYTES = 1.5
"""A mean beyond it is one of whole bytes: images in [0, 1] have none above 1."""
_BYTE_SCALE = 0.1
"""Who multiplies by less expects whole bytes: 1/255 or 1/58 there, 1, 2 or 4 where 1 is white."""
_TOLERANCE = 1e-4


def first_steps(network: nn.Module, taken: tuple[int, ...], said: Hints) -> Hints:
    """What a network's first operations on inputs of shape ``taken`` say about its images.

    Nothing, where they neither shift nor scale. The network then prepares images itself: mean 0,
    deviation 1, and the range follows from the constants, unless it was ``said``.
    """
    found = _affine(network, taken)
    if found is None or found.says_nothing():
        return Hints("its first steps")
    low, high = said.input_range or found.input_range()
    return Hints(f"its first steps: {found}", mean=(0.0,), std=(1.0,), input_range=(low, high))


@dataclass(frozen=True)
class _Affine:
    """``scale * x + shift`` by channel, and whether the channels come out in the opposite order."""

    scale: tuple[float, ...]
    shift: tuple[float, ...]
    reversed: bool = False

    @property
    def mean(self) -> tuple[float, ...]:
        """What becomes 0."""
        return tuple(-b / a for a, b in zip(self.scale, self.shift, strict=True))

    def says_nothing(self) -> bool:
        """Whether no range follows: nothing is done, or what is no normalisation of either."""
        unchanged = all(abs(a - 1) < _TOLERANCE for a in self.scale) and not any(self.shift)
        a, m = _mean(self.scale), _mean(self.mean)
        plausible = -_TOLERANCE <= m <= 255 and (m > _TOLERANCE or abs(a) < _BYTE_SCALE)
        return unchanged or not plausible

    def input_range(self) -> tuple[float, float]:
        """What images these constants are for."""
        whole_bytes = _mean(self.mean) > _BYTES or abs(_mean(self.scale)) < _BYTE_SCALE
        return (0.0, 255.0) if whole_bytes else (0.0, 1.0)

    def __str__(self) -> str:
        deviation = tuple(1 / a for a in self.scale)
        text = f"(x - {_shown(self.mean)}) / {_shown(deviation)}"
        return text + (", channels reversed" if self.reversed else "")


def _mean(values: tuple[float, ...]) -> float:
    return sum(values) / len(values)


def _shown(values: tuple[float, ...]) -> str:
    same = max(values) - min(values) <= _TOLERANCE * max(map(abs, values))
    return ",".join(f"{value:.3g}" for value in (values[:1] if same else values))


def _affine(network: nn.Module, taken: tuple[int, ...]) -> _Affine | None:
    """What the first steps do; None where they do several things, or the network does not run."""
    axis = 0 if taken[0] <= 4 else len(taken) - 1
    channels = taken[axis]
    shade = torch.linspace(0, 1, channels).view([-1 if i == axis else 1 for i in range(len(taken))])
    images = (torch.zeros(taken), torch.ones(taken), shade.expand(taken))
    inner, size = (network, 2) if not isinstance(network, FixedBatch) else (
        network.network, network.size
    )  # fmt: skip
    try:
        with torch.no_grad():
            seen = [_ends(inner.eval(), image.repeat(size, *[1] * len(taken))) for image in images]
    except Exception as error:  # a stranger's network
        if is_out_of_memory(error):
            raise
        return None
    if not seen[0] or any(len(ends) != len(seen[0]) for ends in seen):
        return None
    first, *others = zip(*seen, strict=True)
    if any(
        not _same(mine, first_one) for o in others for mine, first_one in zip(o, first, strict=True)
    ):
        return None
    return _by_channel(torch.stack(first), channels)


def _ends(network: nn.Module, images: Tensor) -> list[Tensor]:
    """What the first of the images has become where something is done to it that ends it."""
    network(images.clone())  # what a network computes once shall not be seen
    with _Watch(images) as watch:
        network(images)
    return [value[0] for value in watch.ends]


def _by_channel(state: Tensor, channels: int) -> _Affine | None:
    """From what black, white and shaded images have become, (3, ...)."""
    if state.ndim != 4 or channels not in (state.shape[1], state.shape[3]):
        state = state.flatten(1).mean(1).view(-1, 1, 1, 1)
    elif state.shape[1] != channels:
        state = state.permute(0, 3, 1, 2)
    black, white, shaded = state.double().mean((2, 3))
    scale = white - black
    if not bool(torch.isfinite(state).all()) or not bool((scale.abs() > 1e-9).all()):
        return None
    order = (shaded - black) / scale
    backwards = len(order) > 1 and bool(order[0] > order[-1])
    return _Affine(tuple(scale.tolist()), tuple(black.tolist()), backwards)


def _same(first: Tensor, second: Tensor) -> bool:
    return first.shape == second.shape and bool(torch.equal(first, second))


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows the image through operations that shift, scale or move it.

    ``ends`` are the values that something else was done to.
    """

    def __init__(self, images: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._followed = {id(images): images}
        self.ends: list[Tensor] = []

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        """As PyTorch asks for it."""
        del types
        kwargs = kwargs or {}
        name = func.__name__.partition(".")[0].removesuffix("_")
        result = func(*args, **kwargs)
        given = [a for a in (*args, *kwargs.values()) if isinstance(a, Tensor)]
        followed = [a for a in given if id(a) in self._followed]
        listed = [a for a in args if isinstance(a, (list, tuple))]
        followed += [v for a in listed for v in a if id(v) in self._followed]
        if not followed:
            return result
        alone = len(followed) == 1 and isinstance(result, Tensor)
        if alone and (name in _MOVE or name in _SHIFT_OR_SCALE) and self._in_place(name, given):
            self._followed[id(result)] = result
        elif name != "sym_size":
            self.ends += [value.clone() for value in followed]
        return result

    def _in_place(self, name: str, given: list[Tensor]) -> bool:
        """Whether the image stands where it is shifted, scaled or moved: it divides nothing."""
        return name in ("add", "mul") or id(given[0]) in self._followed
