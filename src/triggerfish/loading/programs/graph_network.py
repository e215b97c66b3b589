"""A network that is a list of steps: what ONNX and torch.export files are turned into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from triggerfish.errors import UnsupportedModelError
from triggerfish.loading.programs.operators import PROBABILITY_HEADS
from triggerfish.loading.programs.steps import Compiled, Ref, Step, compiled

_MAX_FOLDED = 1 << 24  # numbers in what is kept of a step


class GraphNetwork(nn.Module):
    """Runs steps in order on one input; the constants are its buffers.

    It answers with the value named ``outputs``, or with several, where that says which value each
    output's name stands for. Steps that no output needs are left out, what depends on constants
    alone is computed once, and a value is let go after its last use.

    Raises `UnsupportedModelError` on construction when a step uses a value that nothing computes.
    """

    def __init__(
        self,
        input_name: str,
        constants: Mapping[str, Tensor],
        steps: Sequence[Step],
        outputs: str | Mapping[str, str],
    ) -> None:
        super().__init__()
        self._input = input_name
        self._outputs = {"": outputs} if isinstance(outputs, str) else dict(outputs)
        wanted = tuple(self._outputs.values())
        _check({input_name, *constants}, steps, wanted)
        self._steps = _needed(steps, wanted)
        used = {*wanted, *(name for step in self._steps for name in step.needs())}
        # Names in files hold dots, which buffers may not.
        self._names = {name: f"constant_{i}" for i, name in enumerate(constants) if name in used}
        for name, buffer in self._names.items():
            self.register_buffer(buffer, constants[name])
        self._compiled: Compiled | None = None

    def only(self, output: str) -> GraphNetwork:
        """The part of the network that leads to one of its outputs, without a final head.

        An output without a name is the only one.
        """
        constants = {name: getattr(self, buffer) for name, buffer in self._names.items()}
        value = self._outputs[output]
        steps, before = without_head(_needed(self._steps, (value,)), value)
        return GraphNetwork(self._input, constants, steps, before)

    def forward(self, x: Tensor) -> object:
        """Run the steps on a batch of inputs."""
        if self._compiled is None:
            self._fold()
            self._compiled = compiled(
                self._input, self._names, self._steps, tuple(self._outputs.values())
            )
        buffers = {name: getattr(self, buffer) for name, buffer in self._names.items()}
        found = self._compiled(x, buffers)
        return found[0] if "" in self._outputs else dict(zip(self._outputs, found, strict=True))

    def _fold(self) -> None:
        """Compute what depends on constants alone, but for what is too large to keep."""
        kept: list[Step] = []
        changing = _changing(self._steps)
        for step in self._steps:
            if not step.needs() <= self._names.keys() or not changing.isdisjoint(step.outputs):
                kept.append(step)
                continue
            values = {name: getattr(self, self._names[name]) for name in step.needs()}
            with torch.no_grad():
                results = step.results(values)
            tensors = [value for value in results if isinstance(value, Tensor)]
            if len(tensors) < len(results) or sum(v.numel() for v in tensors) > _MAX_FOLDED:
                kept.append(step)
                continue
            for name, value in zip(step.outputs, tensors, strict=True):
                self._names[name] = f"folded_{len(self._names)}"
                # What the weights are does not change by what is made of them.
                self.register_buffer(self._names[name], value, persistent=False)
        self._steps = tuple(kept)


def _check(known: set[str], steps: Sequence[Step], outputs: Sequence[str]) -> None:
    for step in steps:
        for name in step.needs():
            if name not in known:
                raise UnsupportedModelError(
                    f"expected steps in order, got {step.operator} on the unknown {name!r}"
                )
        for name in step.outputs:
            if name in known:
                raise UnsupportedModelError(
                    f"expected every value once, got {name!r} again from {step.operator}"
                )
            known.add(name)
    for name in outputs:
        if name not in known:
            raise UnsupportedModelError(f"expected an output, got the unknown {name!r}")


def _needed(steps: Sequence[Step], outputs: Sequence[str]) -> tuple[Step, ...]:
    """The steps that the outputs depend on, in their order, and all that work in place."""
    wanted, kept = set(outputs), list[Step]()
    for step in reversed(steps):
        if step.changes() or not wanted.isdisjoint(step.outputs):
            wanted |= step.needs()
            kept.append(step)
    return tuple(reversed(kept))


def _changing(steps: Sequence[Step]) -> set[str]:
    """Names of values that are changed in place, or share their memory with those that are."""
    changing: set[str] = set()
    for step in reversed(steps):
        if step.changes() or not changing.isdisjoint(step.outputs):
            changing |= {*step.outputs, *step.needs()}
    return changing


def in_single_precision(constants: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Half and double precision as single: a program is run in one precision throughout."""
    return {name: value.to(as_single(value.dtype)) for name, value in constants.items()}


def as_single(dtype: torch.dtype) -> torch.dtype:
    """float32 for every type of floating-point numbers; other types stay."""
    return torch.float32 if dtype.is_floating_point else dtype


def without_head(steps: Sequence[Step], output: str) -> tuple[list[Step], str]:
    """Steps and output without a final softmax, log-softmax or sigmoid."""
    kept = list(steps)
    while kept and kept[-1].outputs == (output,) and kept[-1].operator in PROBABILITY_HEADS:
        first = kept.pop().arguments[0]
        assert isinstance(first, Ref)
        output = first.name
    return kept, output
