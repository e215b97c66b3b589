"""An orthonormal two-dimensional cosine basis, with grey and chroma axes for the channels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class CosineBasis:
    """Orthonormal, so analysis is the transpose of synthesis: pixels (N, C, H, W), and back.

    ``axes`` (C, C): row 0 is grey. ``down`` (H, H) and ``across`` (W, W): row k is the cosine of
    index k. ``allowed`` (C, H, W) masks the coefficients that a change may use.
    """

    axes: Tensor
    down: Tensor
    across: Tensor
    allowed: Tensor

    def synthesize(self, coefficients: Tensor) -> Tensor:
        """Coefficients (N, C, H, W) -> pixels (N, C, H, W)."""
        rows = self.down.t() @ coefficients @ self.across
        return torch.einsum("ac,nahw->nchw", self.axes, rows)

    def analyze(self, pixels: Tensor) -> Tensor:
        """Pixels -> coefficients, those not allowed set to zero."""
        rows = self.down @ pixels @ self.across.t()
        return torch.einsum("ac,nchw->nahw", self.axes, rows) * self.allowed


def cosine_basis(
    shape: tuple[int, int, int], highest: float, device: torch.device, dtype: torch.dtype
) -> CosineBasis:
    """The basis for images ``shape``, without constants and without indices above ``highest``.

    ``highest`` is a fraction of the side: cosines of nearly two pixels' period are left out, since
    clean networks answer to such gratings.
    """
    channels, height, width = shape
    down, across = _cosines(height), _cosines(width)
    allowed = torch.ones(height, width)
    allowed[int(highest * height) + 1 :] = 0
    allowed[:, int(highest * width) + 1 :] = 0
    allowed[0, 0] = 0
    parts = (_helmert(channels), down, across, allowed.expand(shape))
    return CosineBasis(*(part.to(device, dtype) for part in parts))


def _cosines(size: int) -> Tensor:
    """Orthonormal DCT-II matrix (size, size)."""
    index = torch.arange(size, dtype=torch.float64)
    matrix = torch.cos(math.pi / size * index.view(-1, 1) * (index + 0.5)) * math.sqrt(2 / size)
    matrix[0] /= math.sqrt(2)
    return matrix


def _helmert(size: int) -> Tensor:
    """Orthonormal contrasts (size, size): the mean, then each channel against those before it."""
    matrix = torch.zeros(size, size, dtype=torch.float64)
    matrix[0] = 1 / math.sqrt(size)
    for k in range(1, size):
        matrix[k, :k] = 1 / math.sqrt(k * (k + 1))
        matrix[k, k] = -k / math.sqrt(k * (k + 1))
    return matrix
