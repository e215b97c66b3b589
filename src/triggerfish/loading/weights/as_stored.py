"""Weights as a file stores them -> the weights that the layer multiplies with.

In pieces: pruning masks, weight normalization and spectral normalization of ``torch.nn.utils``, in
their old form (``weight_g``) and as parametrizations (``parametrizations.weight.original0``).

In whole numbers or 8-bit floats -> float32, where the file says how. A scale beside a weight
(``weight_scale``, ``scale``, ``SCB``) is for the whole tensor or for each row. Layers quantized by
PyTorch itself have brought their weights in order when they were read; the scales of their
*activations* are left out, so such a network is read as if it did not round them.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from triggerfish.errors import CheckpointError

Tensors = dict[str, Tensor]

_NEW = ".parametrizations."


def folded(tensors: Tensors) -> Tensors:
    """The tensors with every weight whole, under the layer's usual name, in their order.

    A weight takes the place of its first piece.
    """
    whole: dict[str, tuple[str, _Scheme]] = {}  # by the key of the first piece
    used: set[str] = set()
    for key in tensors:
        for scheme in _SCHEMES:
            pieces = scheme[0]
            stem = key.removesuffix(pieces[0])
            if stem != key and all(stem + piece in tensors for piece in pieces):
                whole.setdefault(key, (stem, scheme))
                used.update(stem + piece for piece in pieces)
    merged: Tensors = {}
    for key, value in tensors.items():
        if key in whole:
            stem, (pieces, name, fold) = whole[key]
            merged[name(stem)] = fold(stem, *(tensors[stem + piece] for piece in pieces))
        elif key not in used:
            merged[key] = value
    return merged


def _masked(stem: str, weight: Tensor, mask: Tensor) -> Tensor:
    if mask.shape != weight.shape:
        raise CheckpointError(
            f"expected a pruning mask of shape {tuple(weight.shape)} for {stem}, "
            f"got {tuple(mask.shape)}"
        )
    return weight * mask


def _with_length(stem: str, length: Tensor, direction: Tensor) -> Tensor:
    """Weight normalization: ``g * v / |v|``, the length over the axes where g has one value."""
    if length.ndim != direction.ndim:
        raise CheckpointError(f"expected a length for each direction in {stem}, got others")
    axes = [i for i, n in enumerate(length.shape) if n == 1 and direction.shape[i] != 1]
    norm = direction.float().pow(2).sum(axes, keepdim=True).sqrt() if axes else direction.abs()
    return direction * (length / norm)


def _spectral(stem: str, weight: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """Spectral normalization in evaluation: the weight by ``u^T W v`` as the file keeps u and v."""
    axis = next(
        (
            i
            for i, n in enumerate(weight.shape)
            if n == left.numel() and weight.numel() // max(n, 1) == right.numel()
        ),
        None,
    )
    if axis is None or left.ndim != 1 or right.ndim != 1:
        raise CheckpointError(f"expected the vectors of a spectral norm for {stem}, got others")
    matrix = weight.float().movedim(axis, 0).reshape(left.numel(), -1)
    return weight / (left.float() @ matrix @ right.float())


def _plain(stem: str) -> str:
    return stem


def _unparametrized(stem: str) -> str:
    """``conv.parametrizations.weight`` -> ``conv.weight``; also of a module without a name."""
    return f".{stem}".replace(_NEW, ".")[1:]


_Scheme = tuple[tuple[str, ...], Callable[[str], str], Callable[..., Tensor]]
_SCHEMES: tuple[_Scheme, ...] = (
    (("_orig", "_u", "_v"), _plain, _spectral),
    (("_orig", "_mask"), _plain, _masked),
    (("_g", "_v"), _plain, _with_length),
    ((".original0", ".original1"), _unparametrized, _with_length),
    ((".original", ".0._u", ".0._v"), _unparametrized, _spectral),
)


_FLOATS8 = frozenset(
    kind
    for name in ("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz")
    if (kind := getattr(torch, name, None)) is not None
)
_WHOLE = frozenset({torch.int8, torch.uint8})
# Multiplied with the weight. LLM.int8's SCB is the largest value of a row, which 127 stands for.
_SCALES = {
    "weight_scale": 1.0, "weight.scale": 1.0, "weight._scale": 1.0, "weight_scales": 1.0,
    "weight_scale_inv": 1.0, "scale": 1.0, "scales": 1.0, "SCB": 1 / 127,
}  # fmt: skip
_ZEROS = (
    "weight_zero_point", "weight.zero_point", "weight._zero_point", "weight_zero", "zero_point",
    "zeros",
)  # fmt: skip
_VALUES = ("weight", "weight._data", "weight.data", "qweight", "weight_q", "weight_int8")
_ACTIVATIONS = ("input_scale", "output_scale", "weight_format", "scale", "zero_point")
_PACKED_TYPE = "_packed_params.dtype"


def dequantized(tensors: Tensors) -> Tensors:
    """The tensors with all weights in floats, and without what was needed to make them.

    Raises `CheckpointError` for whole numbers in a weight without a scale.
    """
    used: set[str] = set()
    found: Tensors = {}
    for key, value in tensors.items():
        name = next((v for v in _VALUES if key == v or key.endswith(f".{v}")), None)
        # Masks and counters are whole numbers, too, but no matrices.
        small = value.dtype in _FLOATS8 or (value.dtype in _WHOLE and value.ndim >= 2)
        if name is None or not small:
            found[key] = value.float() if value.dtype in _FLOATS8 else value
            continue
        layer = key.removesuffix(name)
        scale = next((layer + s for s in _SCALES if layer + s in tensors), None)
        zero = next((layer + z for z in _ZEROS if layer + z in tensors), None)
        used |= {item for item in (scale, zero) if item is not None}
        used |= {layer + item for item in _ACTIVATIONS}
        if scale is None and value.dtype in _FLOATS8:
            found[layer + "weight"] = value.float()
            continue
        if scale is None or value.ndim < 2:
            raise CheckpointError(
                f"expected a scale beside the whole numbers in {key[:100]}, got none that is "
                "known: save the weights dequantized"
            )
        factor = _SCALES[scale.removeprefix(layer)]
        shift = _for_rows(tensors[zero], value, zero) if zero is not None else 0.0
        size = _for_rows(tensors[scale], value, scale)
        found[layer + "weight"] = ((value.float() - shift) * size * factor).float()
    left = {key: value for key, value in found.items() if key not in used}
    # Layers that PyTorch has quantized have scales of their activations, in pairs.
    layers = {key.removesuffix("scale") for key in left if key.rpartition(".")[2] == "scale"}
    pairs = [(f"{layer}scale", f"{layer}zero_point") for layer in layers]
    dropped = {key for pair in pairs if pair[1] in left for key in pair}
    return {k: v for k, v in left.items() if k not in dropped and not k.endswith(_PACKED_TYPE)}


def _for_rows(scale: Tensor, weight: Tensor, key: str) -> Tensor:
    """A scale of one value, of one a row, or of one a block, in the weight's shape."""
    scale = scale.float()
    if scale.numel() == 1:
        return scale.reshape([1] * weight.ndim)
    if scale.numel() == weight.shape[0] and scale.shape[0] == weight.shape[0]:
        return scale.reshape(-1, *[1] * (weight.ndim - 1))
    if scale.ndim == weight.ndim == 2 and all(
        w % s == 0 for w, s in zip(weight.shape, scale.shape, strict=True)
    ):
        for axis in (0, 1):
            scale = scale.repeat_interleave(weight.shape[axis] // scale.shape[axis], axis)
        return scale
    raise CheckpointError(
        f"expected one scale, or one a row of {tuple(weight.shape)}, got {key[:100]} of "
        f"{tuple(scale.shape)}: save the weights dequantized"
    )
