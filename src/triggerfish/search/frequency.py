"""Perturbations made of cosines: the basis, and the single waves from which a search may start.

The basis is orthonormal and two-dimensional, with grey and chroma axes for the channels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from triggerfish.model.classifier import Classifier
from triggerfish.search.activation_maximization import EVALUATED_VALUES, chunks, evaluate
from triggerfish.search.picture_pool import UNTARGETED, PicturePool

PHASES = 4
MOST_CYCLES = 8  # an image and axis: further waves are too many to try
PICTURES = 8  # that the best waves of every class are tried on
FIRST, BEST = 2, 8
"""Every wave is tried on the first of the pictures; on the others, the best of each class."""


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


def single_waves(shape: tuple[int, int, int], highest: float) -> Tensor:
    """Grey sinusoids (W, 1, H, W) in all directions and `PHASES` phases, the same in all channels.

    Over all channels each has an L2 norm of 1. ``highest`` is the largest cosine index along the
    wave as a fraction of the side: twice the cycles. W is 0 where the side allows no cycle.
    """
    channels, height, width = shape
    most_down, most_across = (min(MOST_CYCLES, int(highest * s / 2)) for s in (height, width))
    down = torch.arange(height).view(-1, 1) / height
    across = torch.arange(width) / width
    half_plane = [
        (i, j)
        for i, j in product(range(-most_down, most_down + 1), range(most_across + 1))
        if (j > 0 or i > 0) and 2 * math.hypot(i / height, j / width) <= highest
    ]
    waves = torch.empty(len(half_plane) * PHASES, 1, height, width)
    for number, (i, j) in enumerate(half_plane):
        for phase in range(PHASES):
            turns = i * down + j * across + phase / PHASES
            wave = torch.sin(2 * math.pi * turns)
            waves[number * PHASES + phase] = wave / (wave.norm() * channels**0.5)
    return waves


@torch.no_grad()
def best_waves(
    classifier: Classifier,
    pool: PicturePool,
    target: Tensor,
    norm: float,
    highest: float,
    cap: float,
    seed: int,
) -> Tensor:
    """Per row the wave (R, C, H, W) of L2 norm ``norm`` after which ``target`` (R,) is likeliest.

    What counts is the mean of the capped log-odds of the target over `PICTURES` pictures, drawn by
    ``seed``. Zeros where there is no row or no wave.
    """
    shape = classifier.input_shape
    nothing = pool.images.new_zeros(len(target), *shape)
    if not len(target):  # before any wave is made: of large images they take a hundred MiB
        return nothing
    waves = single_waves(shape, highest).mul_(norm).to(pool.images)
    if not len(waves):
        return nothing
    generator = torch.Generator().manual_seed(seed)
    drawn = pool.draw(target.new_tensor([UNTARGETED]), PICTURES, generator)[0]
    own = target.clamp_min(0).cpu()  # an untargeted row has no class to make likely
    # Two rounds: all waves on few pictures, then the best few of any row on the others.
    score = _scores(classifier, pool.images[drawn[:FIRST]], waves, cap)[:, own]
    likely = score.topk(min(BEST, len(waves)), dim=0).indices  # (BEST, R)
    some = torch.tensor(sorted(set(likely.flatten().tolist())))
    rest = _scores(classifier, pool.images[drawn[FIRST:]], waves[some.to(waves.device)], cap)
    total = torch.full_like(score, -torch.inf)
    total[some] = score[some] + rest[:, own]
    return waves[total.argmax(0).to(waves.device)].expand(-1, *shape).clone()


def _scores(classifier: Classifier, images: Tensor, waves: Tensor, cap: float) -> Tensor:
    """Sums (W, K) over ``images`` of the capped log-odds of every class, with each of ``waves``."""
    score = torch.zeros(len(waves), classifier.num_classes, dtype=torch.float64)
    together = max(1, EVALUATED_VALUES // classifier.num_pixels)
    for image in images:
        for rows in chunks(len(waves), together):
            logits = evaluate(classifier, (image + waves[rows]).clamp_(0.0, 1.0)).double()
            likely = logits.log_softmax(1)
            # The bound keeps log(1 - p) finite where a class is certain.
            odds = likely - torch.log1p(-likely.exp().clamp_max(1 - 1e-12))
            score[rows] += odds.clamp_max(cap).cpu()
    return score
