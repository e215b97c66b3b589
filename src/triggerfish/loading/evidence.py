"""Which readings of a file speak against its weights: a few forward passes over procedural pictures.

The answers of a trained network that sees the inputs it was made for spread by about 1 to 5 over
pictures of nothing (standard deviation of each centred logit, averaged over the classes); 255 times
the input gives a hundred, half of it or averages instead of maxima give less. Batch norms remember
what they saw in training, and what reaches them now is compared with it. Measured on networks of
strangers (benchmarks/opening.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from triggerfish.architectures.tasks import Shape
from triggerfish.loading.hints import Settings
from triggerfish.loading.weights.choices import NetworkChoice
from triggerfish.model.heads import recognise_output, to_logits
from triggerfish.search.pictures import GAP, dead_leaves

SPREAD = (0.75, 6.0)
"""Where the spread of a right reading is; measured 0.9 to 4.2 on 36 of 37 networks."""
SPREAD_SLACK = math.log(1.5)
"""Where no reading is in that range, those that miss it by this much more than the best stay."""
NORM_SLACK = 0.3
"""Readings whose batch norms' inputs are further than this from those in training, compared to the
best reading, are dropped; natural logarithm of a factor in the second moment. Measured: the right
reading is at most 0.12 behind the best, another normalization 0.3 and more."""
MAX_READINGS = 6
"""No more are scanned: each costs a whole scan."""
_PICTURES, _FEW, _LARGE = 48, 16, 64 * 64


@dataclass(frozen=True)
class Reading:
    """A network, and what is said and assumed about it."""

    choice: NetworkChoice
    settings: Settings

    @property
    def input_shape(self) -> Shape:
        """(C, H, W)."""
        shape = self.settings.merged().input_shape
        assert shape is not None
        return shape


def narrowed(readings: Sequence[Reading]) -> tuple[Reading, ...]:
    """The readings worth a scan, the likeliest first, at most `MAX_READINGS`; never none.

    Those of the first network under every preprocessing, and those of the other networks under
    one: a full table would cost a scan for every pair.
    """
    if len(readings) == 1:
        return tuple(readings)
    evidence = [_evidence(reading) for reading in readings]
    spread = min(item.spread for item in evidence)
    limit = spread + (0.0 if spread == 0 else SPREAD_SLACK)
    kept = [i for i, item in enumerate(evidence) if item.spread <= limit]
    norms = min(evidence[i].norms for i in kept) + NORM_SLACK
    plausible = [readings[i] for i in kept if evidence[i].norms <= norms]
    return tuple(_star(plausible)[:MAX_READINGS])


def _star(readings: Sequence[Reading]) -> list[Reading]:
    """All readings of the first network, then one of each other, with the first preprocessing."""
    first = readings[0]
    preferred = first.settings.preprocessing()
    others: dict[tuple[str, Shape], Reading] = {}
    for reading in readings:
        key = reading.choice.name, reading.input_shape
        if key not in others or reading.settings.preprocessing() == preferred:
            others[key] = reading
    del others[first.choice.name, first.input_shape]
    own = [
        reading
        for reading in readings
        if reading.choice is first.choice and reading.input_shape == first.input_shape
    ]
    return [*own, *others.values()]


@dataclass(frozen=True)
class _Evidence:
    """Natural logarithms of a factor: how far the answers' spread is from `SPREAD`, and how far
    the inputs of the batch norms are from those in training. Infinite where there are no answers.
    """

    spread: float
    norms: float


def _evidence(reading: Reading) -> _Evidence:
    network = reading.choice.network
    norms = [
        m for m in network.modules() if isinstance(m, _BatchNorm) and m.running_var is not None
    ]
    misfits: list[float] = []

    def watch(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        misfits.append(_norm_misfit(norm, inputs[0]))  # type: ignore[arg-type]

    hooks = [norm.register_forward_pre_hook(watch) for norm in norms]
    try:
        with torch.no_grad():
            answers = network.eval()(_inputs(reading))
    except Exception:  # a stranger's network: the classifier says what is wrong with it
        return _Evidence(math.inf, 0.0)
    finally:
        for hook in hooks:
            hook.remove()
    if not isinstance(answers, Tensor) or answers.ndim != 2 or not bool(answers.isfinite().all()):
        return _Evidence(math.inf, 0.0)
    return _Evidence(_spread_misfit(answers), sum(misfits) / max(1, len(misfits)))


def _inputs(reading: Reading) -> Tensor:
    images, preprocessing = pictures(reading.input_shape), reading.settings.preprocessing()
    scale, shift = preprocessing.affine(reading.input_shape[0])
    images = images * scale + shift
    return images.permute(0, 2, 3, 1) if preprocessing.channels_last else images


@lru_cache(maxsize=8)
def pictures(shape: Shape) -> Tensor:
    """Dead leaves (N, C, H, W) in [0, 1], with black gaps in grey ones; fewer of large ones."""
    generator = torch.Generator().manual_seed(0)
    count = _PICTURES if shape[1] * shape[2] <= _LARGE else _FEW
    return dead_leaves(count, shape, generator, gap=GAP if shape[0] == 1 else 0.0)


def _spread_misfit(answers: Tensor) -> float:
    logits = to_logits(answers.double(), recognise_output(answers))
    centred = logits - logits.mean(1, keepdim=True)
    spread = float(centred.std(0).mean())
    low, high = SPREAD
    return max(0.0, math.log(low / max(spread, 1e-9)), math.log(max(spread, 1e-9) / high))


def _norm_misfit(norm: _BatchNorm, inputs: Tensor) -> float:
    """The median factor between the variance kept from training and the second moment now."""
    assert norm.running_mean is not None and norm.running_var is not None
    mean = norm.running_mean.view(1, -1, *[1] * (inputs.ndim - 2))
    now = (inputs - mean).square().mean([axis for axis in range(inputs.ndim) if axis != 1])
    return float((now / (norm.running_var + norm.eps)).clamp_min(1e-12).log().median().abs())
