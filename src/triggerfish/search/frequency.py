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
    index k. ``allowed`` (C, H, W) masks the coefficients that a perturbation may use.
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


def to_pixels(coefficients: Tensor, frequency: Tensor, basis: CosineBasis) -> Tensor:
    """Coefficients (R, P), of rows ``frequency`` (R,) in ``basis``, as pixels (R, C, H, W)."""
    perturbation = coefficients.view(-1, *basis.allowed.shape).clone()
    perturbation[frequency] = basis.synthesize(perturbation[frequency])
    return perturbation


def to_basis(gradient: Tensor, frequency: Tensor, basis: CosineBasis) -> Tensor:
    """Gradients (R, P) by the pixels -> by the coefficients of each row's own basis."""
    slope = gradient.view(-1, *basis.allowed.shape).clone()
    slope[frequency] = basis.analyze(slope[frequency])
    return slope.flatten(1)


def cosine_basis(
    shape: tuple[int, int, int], highest: float, device: torch.device, dtype: torch.dtype
) -> CosineBasis:
    """The basis for images ``shape``, without constants and without frequencies above ``highest``.

    ``highest`` is in cosine indices along the wave, as a fraction of the side: in every direction
    the same, since clean networks answer to the gratings beyond, diagonal ones above all.
    """
    channels, height, width = shape
    down, across = _cosines(height), _cosines(width)
    index = torch.hypot(torch.arange(height).view(-1, 1) / height, torch.arange(width) / width)
    allowed = ((index > 0) & (index <= highest)).double()
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
