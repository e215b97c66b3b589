"""Which readings of a file its weights speak against: forward passes over procedural pictures.

The answers of a trained network that sees the inputs it was made for spread by about 1 to 5 over
pictures of nothing (standard deviation of each centred logit, averaged over the classes); 255 times
the input gives a hundred, half of it or averages instead of maxima give less. Batch norms remember
what they saw in training, and what reaches them now is compared with it. Measured on networks of
strangers (benchmarks/opening.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from triggerfish.architectures.tasks import Shape
from triggerfish.loading.hints import Settings
from triggerfish.loading.weights.choices import NetworkChoice
from triggerfish.model.heads import recognise_output, to_logits
from triggerfish.search.pictures import GAP, dead_leaves

SPREAD = {1: 2.0, 3: 1.3}
"""By channels, the spread of the right reading of a network of strangers: the median of 37."""
SPREAD_SCALE = 0.4
"""Mean absolute deviation of its logarithm."""
MAX_SPREAD_PENALTY = 4.0
"""An untrained network has too small a spread under every reading, which says nothing of any."""
NORM_SCALE = 0.2
"""How far the batch norms' inputs are from those in training, as the logarithm of a factor in the
second moment: the right reading is 0.1 behind the best at most, another normalization 0.3 and
more."""
ODD, NEXT = 0.1, 0.5
"""What an unusual choice in the wiring costs, and a place down the list of the catalogue's networks
or of preprocessings."""
UNLIKELY = 0.1
"""Readings with less weight than this share of the best are not scanned. Measured: the right one of
42 has 0.14 at least."""
MAX_READINGS = 6
"""No more are scanned: each costs a whole scan."""
_PICTURES, _FEW, _LARGE = 48, 16, 64 * 64


@dataclass(frozen=True)
class Reading:
    """A network, and what is said and assumed about it.

    ``rank`` is the place of its preprocessing in the list of the usual ones; ``share`` how likely
    it is, of 1 for all readings of a file that are worth a scan.
    """

    choice: NetworkChoice
    settings: Settings
    rank: int = 0
    share: float = 1.0

    @property
    def input_shape(self) -> Shape:
        """(C, H, W)."""
        shape = self.settings.merged().input_shape
        assert shape is not None
        return shape

    @property
    def network(self) -> tuple[str, Shape]:
        """Name and image shape: all but the preprocessing."""
        return self.choice.name, self.input_shape


def narrowed(readings: Sequence[Reading]) -> tuple[Reading, ...]:
    """The readings worth a scan, the likeliest first, at most `MAX_READINGS`; never none.

    Where there are more, those of the likeliest network, and the best one of every other network.
    """
    if len(readings) == 1:
        return tuple(readings)
    weights = [_log_weight(reading) for reading in readings]
    best = max(weights)
    order = sorted(range(len(readings)), key=weights.__getitem__, reverse=True)
    likely = [
        replace(readings[i], share=math.exp(weights[i] - best))
        for i in order
        if weights[i] >= best + math.log(UNLIKELY)
    ]
    kept = (likely if len(likely) <= MAX_READINGS else _star(likely))[:MAX_READINGS]
    total = sum(reading.share for reading in kept)
    return tuple(replace(reading, share=reading.share / total) for reading in kept)


def _star(readings: Sequence[Reading]) -> list[Reading]:
    """The readings, in their order, that share the first one's network, or are a network's best."""
    best: dict[tuple[str, Shape], Reading] = {}
    for reading in readings:
        best.setdefault(reading.network, reading)
    return [r for r in readings if r.network == readings[0].network or best[r.network] is r]


def _log_weight(reading: Reading) -> float:
    """Logarithm of how likely the reading is, up to a constant; see the constants above."""
    spread, norms = _evidence(reading)
    usual = SPREAD.get(reading.input_shape[0], SPREAD[3])
    return (
        reading.choice.oddness * math.log(ODD)
        + (reading.choice.rank + reading.rank) * math.log(NEXT)
        - min(abs(math.log(max(spread, 1e-9) / usual)) / SPREAD_SCALE, MAX_SPREAD_PENALTY)
        - norms / NORM_SCALE
    )


def _evidence(reading: Reading) -> tuple[float, float]:
    """The spread of the answers, 0 where there are none; how far batch norms' inputs are off."""
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
        return 0.0, 0.0
    finally:
        for hook in hooks:
            hook.remove()
    if not isinstance(answers, Tensor) or answers.ndim != 2 or not bool(answers.isfinite().all()):
        return 0.0, 0.0
    return _spread(answers), sum(misfits) / max(1, len(misfits))


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


def _spread(answers: Tensor) -> float:
    logits = to_logits(answers.double(), recognise_output(answers))
    return float((logits - logits.mean(1, keepdim=True)).std(0).mean())


def _norm_misfit(norm: _BatchNorm, inputs: Tensor) -> float:
    """The median factor between the variance kept from training and the second moment now."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    mean = norm.running_mean.view(1, -1, *[1] * (inputs.ndim - 2))
    now = (inputs - mean).square().mean([axis for axis in range(inputs.ndim) if axis != 1])
    return float((now / (norm.running_var + norm.eps)).clamp_min(1e-12).log().median().abs())
