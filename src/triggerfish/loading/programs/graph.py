"""A network that is a list of steps: what ONNX and torch.export files are turned into."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor, nn

from triggerfish.errors import UnsupportedModelError
from triggerfish.loading.programs.operators import PROBABILITY_HEADS


@dataclass(frozen=True)
class Ref:
    """The value of that name, where a step's argument is not a constant."""

    name: str


@dataclass(frozen=True)
class Step:
    """``outputs = run(*arguments, **options)``; arguments hold `Ref` for values of other steps."""

    operator: str
    run: Callable[..., object]
    arguments: tuple[object, ...]
    outputs: tuple[str, ...]
    options: Mapping[str, object] = field(default_factory=dict)


class GraphNetwork(nn.Module):
    """Runs steps in order on one input; the constants are its buffers.

    Raises `UnsupportedModelError` on construction when a step uses a value that nothing computes.
    """

    def __init__(
        self, input_name: str, constants: Mapping[str, Tensor], steps: Sequence[Step], output: str
    ) -> None:
        super().__init__()
        self._input, self._output = input_name, output
        self._steps = tuple(steps)
        # Names in files hold dots, which buffers may not.
        self._names = {name: f"constant_{i}" for i, name in enumerate(constants)}
        for name, value in constants.items():
            self.register_buffer(self._names[name], value)
        self._check()

    def forward(self, x: Tensor) -> object:
        """Run the steps on a batch of inputs."""
        values: dict[str, object] = {
            name: getattr(self, buffer) for name, buffer in self._names.items()
        }
        values[self._input] = x
        for step in self._steps:
            arguments = [_resolve(argument, values) for argument in step.arguments]
            options = {key: _resolve(value, values) for key, value in step.options.items()}
            result = step.run(*arguments, **options)
            if len(step.outputs) == 1:
                values[step.outputs[0]] = result
            else:
                values.update(zip(step.outputs, result, strict=True))  # type: ignore[call-overload]
        return values[self._output]

    def _check(self) -> None:
        known = {self._input, *self._names}
        for step in self._steps:
            for name in (*_names(step.arguments), *_names(tuple(step.options.values()))):
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
        if self._output not in known:
            raise UnsupportedModelError(f"expected an output, got the unknown {self._output!r}")


def without_head(steps: Sequence[Step], output: str) -> tuple[list[Step], str]:
    """Steps and output without a final softmax, log-softmax or sigmoid."""
    kept = list(steps)
    while kept and kept[-1].outputs == (output,) and kept[-1].operator in PROBABILITY_HEADS:
        first = kept.pop().arguments[0]
        assert isinstance(first, Ref)
        output = first.name
    return kept, output


def _resolve(argument: object, values: Mapping[str, object]) -> object:
    if isinstance(argument, Ref):
        return values[argument.name]
    if isinstance(argument, (list, tuple)):
        return [_resolve(item, values) for item in argument]
    return argument


def _names(argument: object) -> list[str]:
    if isinstance(argument, Ref):
        return [argument.name]
    if isinstance(argument, (list, tuple)):
        return [name for item in argument for name in _names(item)]
    return []
