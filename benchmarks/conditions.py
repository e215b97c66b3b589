"""What can be wrong with a model or with how it is scanned: the cases of benchmarks/checks.py."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout

from triggerfish.architectures import ARCHITECTURES
from triggerfish.model.classifier import Classifier, Preprocessing


@dataclass(frozen=True)
class Case:
    """A trained network with the preprocessing it was trained with; ``seed`` for what is random."""

    network: nn.Module
    architecture: str
    shape: tuple[int, int, int]
    right: Preprocessing
    classes: int
    seed: int

    def scanned(
        self, network: nn.Module | None = None, preprocessing: Preprocessing | None = None
    ) -> Classifier:
        """What the scanner would see."""
        network = self.network if network is None else network
        return Classifier(network, self.shape, preprocessing=preprocessing or self.right)

    def generator(self) -> torch.Generator:
        """Randomness of this case alone."""
        return torch.Generator().manual_seed(self.seed)


class Through(nn.Module):
    """A network between a ``before`` and an ``after`` that no loader can see."""

    def __init__(
        self,
        network: nn.Module,
        before: Callable[[Tensor], Tensor] = lambda x: x,
        after: Callable[[Tensor], Tensor] = lambda z: z,
    ) -> None:
        super().__init__()
        self.network, self.before, self.after = network, before, after

    def forward(self, x: Tensor) -> Tensor:
        """``after(network(before(x)))``."""
        return self.after(self.network(self.before(x)))


Condition = Callable[[Case], Classifier]


def _preprocessed(preprocessing: Preprocessing) -> Condition:
    return lambda case: case.scanned(preprocessing=preprocessing)


def _in_range(high: float) -> Condition:
    """The right mean and std, on images stretched to [0, high] first."""
    return lambda case: case.scanned(
        preprocessing=Preprocessing(case.right.mean, case.right.std, (0.0, high))
    )


def _inverted(case: Case) -> Classifier:
    scale, shift = case.right.affine(case.shape[0])
    turned = scale + 2 * shift  # input of 1 - x, where that of x is x * scale + shift
    return case.scanned(Through(case.network, before=lambda x: turned - x))


def _untrained(case: Case) -> Classifier:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(case.seed)
        return case.scanned(ARCHITECTURES[case.architecture](case.classes, case.shape[0]))


def _shuffled(layers: slice) -> Condition:
    def shuffle(case: Case) -> Classifier:
        network, generator = copy.deepcopy(case.network), case.generator()
        for weight in [p for p in network.parameters() if p.ndim > 1][layers]:
            order = torch.randperm(weight.numel(), generator=generator)
            weight.data = weight.data.flatten()[order].view_as(weight)
        return case.scanned(network)

    return shuffle


def _scaled(factor: float) -> Condition:
    def scale(case: Case) -> Classifier:
        network = copy.deepcopy(case.network)
        for weight in (p for p in network.parameters() if p.ndim > 1):
            weight.data *= factor
        return case.scanned(network)

    return scale


def _dead(case: Case) -> Classifier:
    network = copy.deepcopy(case.network)
    first = next(m for m in network.modules() if isinstance(m, (nn.Conv2d, nn.Linear)))
    first.weight.data.zero_()
    return case.scanned(network)


def _headed(after: Callable[[Tensor], Tensor]) -> Condition:
    return lambda case: case.scanned(Through(case.network, after=after))


CONDITIONS: Mapping[str, Condition] = {
    "as trained": lambda case: case.scanned(),
    "inverted": _inverted,
    "mean 0.485, std 0.229": _preprocessed(Preprocessing((0.485,), (0.229,))),
    "scaled to [-1, 1]": _preprocessed(Preprocessing((0.5,), (0.5,))),
    "not normalised": _preprocessed(Preprocessing()),
    "0 to 255, not normalised": _preprocessed(Preprocessing(input_range=(0.0, 255.0))),
    "0 to 255, normalised": _in_range(255.0),
    "divided by 255 twice": _in_range(1 / 255),
    "untrained": _untrained,
    "all weights shuffled": _shuffled(slice(None)),
    "first layer shuffled": _shuffled(slice(1)),
    "last layer shuffled": _shuffled(slice(-1, None)),
    "weights times 0.3": _scaled(0.3),
    "weights times 3": _scaled(3.0),
    "first layer zero": _dead,
    "hidden softmax": _headed(lambda z: z.softmax(1)),
    "hidden log-softmax": _headed(lambda z: z.log_softmax(1)),
    "hidden sigmoid": _headed(torch.sigmoid),
    "softmax of softmax": _headed(lambda z: z.softmax(1).softmax(1)),
    "dropout left on": _headed(lambda z: dropout(z, 0.5, training=True)),
}
"""By name; ``mean`` and ``std`` of all wrong ones are in units of [0, 1]."""
