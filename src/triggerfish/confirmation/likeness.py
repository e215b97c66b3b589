"""How alike two perturbations are: whether they change the same places, or the same frequencies."""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from triggerfish.search.frequency import CosineBasis

_BLUR = 2  # passes: places a pixel or two apart count as nearly the same


def likeness(perturbations: Tensor, basis: CosineBasis | None) -> float:
    """The best cosine of two of (N, C, H, W), in [0, 1]; 0 where fewer than two are not 0.

    Compared are the absolute values, added up over channels and blurred: of pixels, or of the
    coefficients in ``basis`` where there is one.
    """
    values = perturbations if basis is None else basis.analyze(perturbations.to(basis.axes)).cpu()
    maps = _blurred(values.abs().sum(1)).flatten(1)
    norms = maps.norm(dim=1)
    pairs = [(i, j) for i, j in combinations(range(len(maps)), 2) if norms[i] > 0 and norms[j] > 0]
    return max((float(maps[i] @ maps[j] / (norms[i] * norms[j])) for i, j in pairs), default=0.0)


def _blurred(maps: Tensor) -> Tensor:
    """Maps (N, H, W) under a binomial blur (1, 2, 1) / 4 along both axes, several times."""
    kernel = torch.tensor([1.0, 2.0, 1.0], dtype=maps.dtype) / 4
    kernel = (kernel.view(3, 1) * kernel).view(1, 1, 3, 3)
    blurred = maps.unsqueeze(1)
    for _ in range(_BLUR):
        blurred = conv2d(pad(blurred, (1, 1, 1, 1)), kernel)
    return blurred.squeeze(1)
