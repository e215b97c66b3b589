"""A step of a program, and a list of steps made ready to be run many times."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from operator import itemgetter

from torch import Tensor

_Getter = Callable[[list[object]], object]


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

    def needs(self) -> set[str]:
        """Names of the values that it uses."""
        return set(_names((self.arguments, tuple(self.options.values()))))

    def changes(self) -> str | None:
        """The name of the value that it changes in place, as ``add_`` does; None for no such."""
        in_place = self.operator.endswith("_") and not self.operator.endswith("__")
        first = self.arguments[0] if in_place and self.arguments else None
        return first.name if isinstance(first, Ref) else None

    def results(self, values: Mapping[str, object]) -> tuple[object, ...]:
        """One value for each of its outputs."""
        arguments = [_resolved(argument, values) for argument in self.arguments]
        options = {key: _resolved(value, values) for key, value in self.options.items()}
        result = self.run(*arguments, **options)
        return (result,) if len(self.outputs) == 1 else tuple(result)  # type: ignore[arg-type]


def _names(argument: object) -> Iterator[str]:
    if isinstance(argument, Ref):
        yield argument.name
    elif isinstance(argument, (list, tuple)):
        yield from chain.from_iterable(map(_names, argument))


def _resolved(argument: object, values: Mapping[str, object]) -> object:
    if isinstance(argument, Ref):
        return values[argument.name]
    if isinstance(argument, (list, tuple)):
        return [_resolved(item, values) for item in argument]
    return argument


@dataclass(frozen=True)
class _Ready:
    """A step whose values have places in a list, and the places that are free after it."""

    run: Callable[..., object]
    arguments: tuple[_Getter, ...]
    options: Mapping[str, _Getter]
    outputs: tuple[int, ...]
    free: tuple[int, ...]


@dataclass(frozen=True)
class Compiled:
    """Steps in order: ``compiled(x, constants)`` are the values of the outputs."""

    size: int
    constants: Mapping[str, int]
    steps: tuple[_Ready, ...]
    outputs: tuple[int, ...]

    def __call__(self, x: Tensor, constants: Mapping[str, Tensor]) -> list[object]:
        """Run all steps on the input ``x``, which has the first place."""
        values: list[object] = [None] * self.size
        values[0] = x
        for name, place in self.constants.items():
            values[place] = constants[name]
        mixed = x.device.type != "cpu"
        for step in self.steps:
            arguments = [get(values) for get in step.arguments]
            if mixed:
                arguments = _on_one_device(arguments)
            options = {key: get(values) for key, get in step.options.items()}
            result = step.run(*arguments, **options)
            if len(step.outputs) == 1:
                values[step.outputs[0]] = result
            else:
                for place, value in zip(step.outputs, result, strict=True):  # type: ignore[call-overload]
                    values[place] = value
            for place in step.free:
                values[place] = None
        return [values[place] for place in self.outputs]


def compiled(
    input_name: str, constants: Mapping[str, object], steps: Sequence[Step], outputs: Sequence[str]
) -> Compiled:
    """The steps with places for all values; each is let go after the last step that needs it."""
    names = [input_name, *constants, *(name for step in steps for name in step.outputs)]
    places = {name: place for place, name in enumerate(names)}
    last = {name: number for number, step in enumerate(steps) for name in step.needs()}
    for number, step in enumerate(steps):
        for name in step.outputs:
            last.setdefault(name, number)
    free: list[list[int]] = [[] for _ in steps]
    for name, number in last.items():
        if name not in outputs:
            free[number].append(places[name])
    ready = [
        _Ready(
            step.run,
            tuple(_getter(argument, places) for argument in step.arguments),
            {key: _getter(value, places) for key, value in step.options.items()},
            tuple(places[name] for name in step.outputs),
            tuple(unused),
        )
        for step, unused in zip(steps, free, strict=True)
    ]
    held = {name: places[name] for name in constants}
    return Compiled(len(names), held, tuple(ready), tuple(places[name] for name in outputs))


def _getter(argument: object, places: Mapping[str, int]) -> _Getter:
    if isinstance(argument, Ref):
        return itemgetter(places[argument.name])
    if isinstance(argument, (list, tuple)) and next(_names(argument), None) is not None:
        inner = [_getter(item, places) for item in argument]
        return lambda values: [get(values) for get in inner]
    # As they would be resolved: a list, where a tuple was written.
    plain = list(argument) if isinstance(argument, tuple) else argument
    return lambda _: plain


def _on_one_device(arguments: list[object]) -> list[object]:
    """Shapes are computed on the processor; where one meets other values, it goes to them."""
    devices = {a.device for a in arguments if isinstance(a, Tensor)}
    if len(devices) < 2:
        return arguments
    (device,) = {device for device in devices if device.type != "cpu"}
    return [a.to(device) if isinstance(a, Tensor) else a for a in arguments]
