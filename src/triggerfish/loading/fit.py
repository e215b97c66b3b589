"""Which readings of a file its weights speak against: forward passes over procedural pictures.

The answers of a trained network that sees the inputs it was made for spread by about 1 to 5 over
blank and noise images (standard deviation of each centred logit, averaged over the classes); 255
times the input gives a hundred, half of it or averages instead of maxima give less. Batch norms
remember what they saw in training, and what reaches them now is compared with it. Where the answers
under one reading are those of a task that is known (`triggerfish.references.recognition`), the
reading under which they are most so is the likeliest. Measured on networks of strangers
(benchmarks/opening.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from triggerfish.architectures.tasks import Shape
from triggerfish.loading.hints import Settings
from triggerfish.loading.programs.answers import Part
from triggerfish.loading.weights.choices import NetworkChoice
from triggerfish.model.heads import recognise_output, to_logits, two_classes
from triggerfish.model.outputs import picked
from triggerfish.references.recognition import ALIKE, asked, geometry, likeness, relative_answers
from triggerfish.references.store import shipped_references
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
LIKENESS_SCALE = 0.1
"""Of the likeness to networks of a known task, where one reading is recognised as one: on develop
files the right reading is behind the best by this at most, but for one file (docs/loading.md)."""
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
class Plan:
    """A network, and what is said and assumed about it.

    ``part`` is the one of its outputs that is read. ``rank`` is the place of its preprocessing in
    the list of the usual ones; ``share`` how likely it is, of 1 for all readings of that part of a
    file that are worth a scan.
    """

    choice: NetworkChoice
    settings: Settings
    part: Part
    rank: int = 0
    share: float = 1.0

    def answers(self, inputs: Tensor) -> object:
        """What the network says to ``inputs``."""
        found = self.choice.network(inputs)
        return found if self.part.output is None else picked(found, self.part.output)

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


def narrowed(readings: Sequence[Plan]) -> tuple[Plan, ...]:
    """The readings worth a scan, the likeliest first, at most `MAX_READINGS`; never none.

    Where there are more, those of the likeliest network, and the best one of every other network.
    """
    if len(readings) == 1:
        return tuple(readings)
    seen = [_fit(reading) for reading in readings]
    weights = [_log_weight(reading, says) for reading, says in zip(readings, seen, strict=True)]
    if max(says.likeness for says in seen) >= ALIKE:
        weights = [w + s.likeness / LIKENESS_SCALE for w, s in zip(weights, seen, strict=True)]
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


def _star(readings: Sequence[Plan]) -> list[Plan]:
    """The readings, in their order, that share the first one's network, or are a network's best."""
    best: dict[tuple[str, Shape], Plan] = {}
    for reading in readings:
        best.setdefault(reading.network, reading)
    return [r for r in readings if r.network == readings[0].network or best[r.network] is r]


@dataclass(frozen=True)
class _Fit:
    """What forward passes say: ``spread`` of the answers, how far batch ``norms``' inputs are off.

    ``likeness`` is to the networks of the known task that the answers are most like, in [0, 1].
    """

    spread: float = 0.0
    norms: float = 0.0
    likeness: float = 0.0


def _log_weight(reading: Plan, says: _Fit) -> float:
    """Logarithm of how likely the reading is, up to a constant; see the constants above."""
    usual = SPREAD.get(reading.input_shape[0], SPREAD[3])
    far = abs(math.log(max(says.spread, 1e-9) / usual))
    return (
        reading.choice.oddness * math.log(ODD)
        + (reading.choice.rank + reading.rank) * math.log(NEXT)
        - min(far / SPREAD_SCALE, MAX_SPREAD_PENALTY)
        - says.norms / NORM_SCALE
    )


def _fit(reading: Plan) -> _Fit:
    """What the network says to blank and noise images; nothing where it does not run."""
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
            network.eval()
            answers = reading.answers(_inputs(reading, pictures(reading.input_shape)))
    except Exception:  # a stranger's network: the classifier says what is wrong with it
        return _Fit()
    finally:
        for hook in hooks:
            hook.remove()
    if not isinstance(answers, Tensor) or answers.ndim != 2 or not bool(answers.isfinite().all()):
        return _Fit()
    misfit = sum(misfits) / max(1, len(misfits))
    return _Fit(_spread(answers), misfit, _likeness(reading, answers.shape[1]))


def _likeness(reading: Plan, classes: int) -> float:
    """How alike the answers are to those of the most like known task, 0 where none fits."""
    fits = geometry(reading.input_shape, classes)
    tasks = [r for r in shipped_references() if r.answers and r.task == fits]
    if not tasks:
        return 0.0
    with torch.no_grad():
        found = reading.answers(_inputs(reading, asked(reading.input_shape)))
    assert isinstance(found, Tensor)
    mine = relative_answers(to_logits(found.double(), recognise_output(found)))
    return max(0.0, *(likeness(mine, np.array(task.answers)) for task in tasks))


def _inputs(reading: Plan, images: Tensor) -> Tensor:
    preprocessing = reading.settings.preprocessing()
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
    logits = two_classes(to_logits(answers.double(), recognise_output(answers)))
    return float((logits - logits.mean(1, keepdim=True)).std(0).mean())


def _norm_misfit(norm: _BatchNorm, inputs: Tensor) -> float:
    """The median factor between the variance kept from training and the second moment now."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    mean = norm.running_mean.view(1, -1, *[1] * (inputs.ndim - 2))
    now = (inputs - mean).square().mean([axis for axis in range(inputs.ndim) if axis != 1])
    return float((now / (norm.running_var + norm.eps)).clamp_min(1e-12).log().median().abs())
