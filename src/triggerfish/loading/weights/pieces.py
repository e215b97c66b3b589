"""Weights that a file keeps in pieces -> the weights that the layer multiplies with.

Pruning masks, weight normalization and spectral normalization of ``torch.nn.utils``, in their old
form (``weight_g``) and as parametrizations (``parametrizations.weight.original0``).
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from triggerfish.errors import CheckpointError

Tensors = dict[str, Tensor]

_NEW = ".parametrizations."


def folded(tensors: Tensors) -> Tensors:
    """The tensors with every weight whole, under the layer's usual name, in their order."""
    merged: Tensors = {}
    for key, value in tensors.items():
        for pieces, name, fold in _SCHEMES:
            stem = key.removesuffix(pieces[0])
            if stem != key and all(stem + piece in tensors for piece in pieces):
                merged[name(stem)] = fold(stem, *(tensors[stem + piece] for piece in pieces))
                break
        else:
            if not _is_piece(key, tensors):
                merged[key] = value
    return merged


def _is_piece(key: str, tensors: Tensors) -> bool:
    """Whether a tensor has gone into a weight already."""
    for pieces, _, _ in _SCHEMES:
        for piece in pieces:
            stem = key.removesuffix(piece)
            if stem != key and all(stem + other in tensors for other in pieces):
                return True
    return False


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


_Fold = Callable[..., Tensor]
_SCHEMES: tuple[tuple[tuple[str, ...], Callable[[str], str], _Fold], ...] = (
    (("_orig", "_u", "_v"), _plain, _spectral),
    (("_orig", "_mask"), _plain, _masked),
    (("_g", "_v"), _plain, _with_length),
    ((".original0", ".original1"), _unparametrized, _with_length),
    ((".original", ".0._u", ".0._v"), _unparametrized, _spectral),
)
