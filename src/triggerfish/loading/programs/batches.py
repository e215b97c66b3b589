"""Programs that were exported for a batch of one size, run on batches of any.

Exporters bake the size of the example's batch into reshapes and expansions: a vision transformer's
class token is repeated once, whatever comes in. What such a program answers to batches of its own
size is the truth here; a faster way is taken where it answers the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from triggerfish.errors import UnsupportedModelError
from triggerfish.loading.programs.graph_network import GraphNetwork
from triggerfish.model.memory import is_out_of_memory
from triggerfish.model.outputs import named_outputs

SIZES = (3, 1, 2, 4, 8, 16, 32, 64, 128, 256)
"""Batch sizes that a program is tried with: one that nobody exports for, and those people do."""
_MAX_VALUES = 8 << 20
_SAME = 1e-3

_TRUTH = "one batch after another"

_Answers = dict[str, Tensor]


class FixedBatch(nn.Module):
    """``network``, which takes ``size`` images at once, for any number of them.

    The first batch decides how: as it is, where nothing is baked in after all; vectorised over
    batches of its size; or one such batch after another.
    """

    def __init__(self, network: nn.Module, size: int) -> None:
        super().__init__()
        self.network, self.size = network, size
        self._way: str | None = None

    def only(self, output: str) -> FixedBatch:
        """As `GraphNetwork.only`."""
        return FixedBatch(only(self.network, output), self.size)

    def forward(self, x: Tensor) -> object:
        """The answers to a batch (N, ...), whatever N is."""
        if self._way is None:
            self._way = self._found(x)
        answers = _WAYS[self._way](self.network, self.size, x)
        return answers.get("", answers)

    def _found(self, x: Tensor) -> str:
        """The fastest way that answers as one batch after another, on noise."""
        generator = torch.Generator().manual_seed(0)
        noise = torch.rand((self.size + 1, *x.shape[1:]), generator=generator).to(x)
        with torch.no_grad():
            expected = _WAYS[_TRUTH](self.network, self.size, noise)
            for way in _WAYS:
                try:
                    found = _WAYS[way](self.network, self.size, noise)
                except Exception as error:  # a stranger's program, as it was not written for
                    if is_out_of_memory(error):
                        raise
                    continue
                if _alike(found, expected):
                    return way
        return _TRUTH


def only(network: nn.Module, output: str) -> nn.Module:
    """The part of a graph that leads to one output; other networks stay as they are."""
    return network.only(output) if isinstance(network, (GraphNetwork, FixedBatch)) else network


def for_any_batch(network: nn.Module, shape: tuple[int, ...]) -> nn.Module | None:
    """The network, made to take any number of inputs of ``shape``; None where it takes none.

    Raises the `UnsupportedModelError` of a network that understands something in no size of batch.
    """
    problem: UnsupportedModelError | None = None
    for size in SIZES:
        if size * math.prod(shape) > _MAX_VALUES and size > SIZES[0]:
            break
        try:
            with torch.no_grad():
                network.eval()(torch.zeros(size, *shape))
        except UnsupportedModelError as error:
            problem = problem or error
        except Exception as error:  # a stranger's program
            if is_out_of_memory(error):
                raise
        else:
            return network if size == SIZES[0] else FixedBatch(network, size)
    if problem is not None:
        raise problem
    return None


def _as_it_is(network: nn.Module, size: int, x: Tensor) -> _Answers:
    del size
    return named_outputs(network(x))


def _vectorised(network: nn.Module, size: int, x: Tensor) -> _Answers:
    # It warns of operators that it runs one after another; what is right counts here.
    torch._C._functorch._set_vmap_fallback_warning_enabled(False)  # type: ignore[attr-defined]
    answers: _Answers = torch.func.vmap(lambda part: named_outputs(network(part)))(
        _filled(x, size).reshape(-1, size, *x.shape[1:])
    )
    return {name: y.flatten(0, 1)[: len(x)] for name, y in answers.items()}


def _one_after_another(network: nn.Module, size: int, x: Tensor) -> _Answers:
    answers = [named_outputs(network(part)) for part in torch.split(_filled(x, size), size)]
    return {name: torch.cat([part[name] for part in answers])[: len(x)] for name in answers[0]}


_WAYS: Mapping[str, Callable[[nn.Module, int, Tensor], _Answers]] = {
    "as it is": _as_it_is,
    "vectorised": _vectorised,
    _TRUTH: _one_after_another,
}


def _filled(x: Tensor, size: int) -> Tensor:
    """``x`` with its last row repeated, to a multiple of ``size`` rows."""
    missing = -len(x) % size
    return torch.cat([x, x[-1:].expand(missing, *x.shape[1:])]) if missing else x


def _alike(found: _Answers, expected: _Answers) -> bool:
    return found.keys() == expected.keys() and all(
        y.shape == expected[name].shape
        and float((y - expected[name]).abs().max())
        <= _SAME * (1e-3 + float(expected[name].abs().max()))
        for name, y in found.items()
    )
