"""ONNX operators that move values and compute none."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from triggerfish.errors import UnsupportedModelError
from triggerfish.loading.programs.onnx_operator import Attributes, integers


def pad(
    a: Attributes,
    x: Tensor,
    given: Tensor | None = None,
    value: Tensor | None = None,
    axes: Tensor | None = None,
) -> Tensor:
    """Pad, in any of ONNX's modes; negative padding cuts off."""
    pads = integers(a["pads"] if given is None else given) or []
    chosen = integers(axes)
    named = list(range(x.ndim)) if chosen is None else [axis % x.ndim for axis in chosen]
    pairs = dict(zip(named, zip(pads[: len(named)], pads[len(named) :], strict=True), strict=True))
    mode = a.get("mode", b"constant").decode()
    if mode == "constant":
        fill = a.get("value", 0.0) if value is None else value.item()
        padding = [n for axis in reversed(range(x.ndim)) for n in pairs.get(axis, (0, 0))]
        return F.pad(x, padding, value=fill)
    for axis, (before, after) in pairs.items():
        places = torch.arange(-before, x.shape[axis] + after, device=x.device)
        x = x.index_select(axis, _PLACES[mode](places, x.shape[axis]))
    return x


def _reflected(places: Tensor, size: int) -> Tensor:
    period = max(2 * (size - 1), 1)
    places = places % period
    return torch.minimum(places, period - places) if size > 1 else places


_PLACES: dict[str, Callable[[Tensor, int], Tensor]] = {
    "edge": lambda places, size: places.clamp(0, size - 1),
    "wrap": lambda places, size: places % size,
    "reflect": _reflected,
}


def reshape(a: Attributes, x: Tensor, shape: Tensor) -> Tensor:
    """Reshape; 0 keeps an axis' size unless ``allowzero``."""
    sizes = integers(shape) or []
    if not a.get("allowzero"):
        sizes = [x.shape[i] if n == 0 else n for i, n in enumerate(sizes)]
    return x.reshape(sizes)


def flatten(a: Attributes, x: Tensor) -> Tensor:
    """Flatten to two axes, the second of which begins at ``axis``."""
    axis = a.get("axis", 1)
    rows = x.shape[: axis if axis >= 0 else axis + x.ndim].numel()
    return x.reshape(rows, x.numel() // rows if rows else -1)


def squeeze(a: Attributes, x: Tensor, given: Tensor | None = None) -> Tensor:
    """Squeeze the named axes, or all of size one."""
    axes = integers(a.get("axes") if given is None else given)
    if axes is None:
        return x.squeeze()
    if any(x.shape[axis] != 1 for axis in axes):
        raise UnsupportedModelError(f"expected axes {axes} of size 1, got {tuple(x.shape)}")
    return x.squeeze(tuple(axes))


def unsqueeze(a: Attributes, x: Tensor, given: Tensor | None = None) -> Tensor:
    """Insert axes at their places in the result."""
    axes = integers(a["axes"] if given is None else given) or []
    rank = x.ndim + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        x = x.unsqueeze(axis)
    return x


def slice_(a: Attributes, x: Tensor, *given: Tensor | None) -> Tensor:
    """Slice along some axes, with steps of either sign."""
    values = [integers(v) for v in (*given, *[None] * (4 - len(given)))]
    starts = a["starts"] if values[0] is None else values[0]
    ends = a["ends"] if values[1] is None else values[1]
    axes = a.get("axes", range(len(starts))) if values[2] is None else values[2]
    steps = [1] * len(starts) if values[3] is None else values[3]
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if step > 0:
            index = [slice(None)] * x.ndim
            index[axis] = slice(start, end, step)
            x = x[tuple(index)]
        else:
            places = range(*slice(start, end, step).indices(x.shape[axis]))
            x = x.index_select(axis, torch.tensor(list(places), dtype=torch.long, device=x.device))
    return x


def split(a: Attributes, x: Tensor, given: Tensor | None = None) -> Tensor | tuple[Tensor, ...]:
    """Split into the given sizes, or equal ones, the last of which may be smaller."""
    axis, count = a.get("axis", 0), a["outputs"]
    sizes = integers(a.get("split") if given is None else given)
    if a.get("num_outputs", count) != count or (sizes is not None and len(sizes) != count):
        raise UnsupportedModelError(f"expected a Split into {count} outputs, got another number")
    if sizes is None:
        whole = -(-x.shape[axis] // count)
        sizes = [*[whole] * (count - 1), x.shape[axis] - whole * (count - 1)]
    parts = torch.split(x, sizes, axis)
    return parts[0] if count == 1 else parts


def expand(_: Attributes, x: Tensor, shape: Tensor) -> Tensor:
    """Broadcast to ``shape``, which may itself be broadcast."""
    wanted = integers(shape) or []
    rank = max(len(wanted), x.ndim)
    wanted = [1] * (rank - len(wanted)) + wanted
    own = [1] * (rank - x.ndim) + list(x.shape)
    return x.expand([size if n == 1 else n for n, size in zip(wanted, own, strict=True)])


def shape_of(a: Attributes, x: Tensor) -> Tensor:
    """The sizes of axes ``start`` to ``end``."""
    return torch.tensor(x.shape[a.get("start", 0) : a.get("end", x.ndim)], dtype=torch.long)


def constant_of_shape(a: Attributes, shape: Tensor) -> Tensor:
    """One value, 0 when none is given, in a shape."""
    value = a.get("value")
    fill = value.flatten()[0] if value is not None else torch.tensor(0.0)
    return fill.expand(integers(shape) or [])


def depth_to_space(a: Attributes, x: Tensor) -> Tensor:
    """Channels to blocks of pixels: depth first (DCR), or column and row first (CRD)."""
    block, mode = a["blocksize"], a.get("mode", b"DCR").decode()
    if mode == "CRD":
        return F.pixel_shuffle(x, block)
    if mode != "DCR":
        raise UnsupportedModelError(f"expected DepthToSpace in DCR or CRD mode, got {mode!r}")
    n, c, h, w = x.shape
    blocks = x.reshape(n, block, block, c // block**2, h, w).permute(0, 3, 4, 1, 5, 2)
    return blocks.reshape(n, c // block**2, h * block, w * block)


def space_to_depth(a: Attributes, x: Tensor) -> Tensor:
    """Blocks of pixels to channels, the opposite of `depth_to_space`."""
    block, mode = a["blocksize"], a.get("mode", b"DCR").decode()
    if mode not in ("DCR", "CRD"):
        raise UnsupportedModelError(f"expected SpaceToDepth in DCR or CRD mode, got {mode!r}")
    n, c, h, w = x.shape
    blocks = x.reshape(n, c, h // block, block, w // block, block)
    blocks = blocks.permute((0, 3, 5, 1, 2, 4) if mode == "DCR" else (0, 1, 3, 5, 2, 4))
    return blocks.reshape(n, c * block**2, h // block, w // block)


def arange(start: Tensor, limit: Tensor, delta: Tensor) -> Tensor:
    """Numbers from ``start`` to before ``limit``."""
    return torch.arange(start.item(), limit.item(), delta.item(), dtype=start.dtype)


def triangle(a: Attributes, x: Tensor, offset: Tensor | None = None) -> Tensor:
    """The upper or lower triangle."""
    diagonal = 0 if offset is None else int(offset.item())
    return x.triu(diagonal) if a.get("upper", 1) else x.tril(diagonal)
