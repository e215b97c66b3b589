"""Runs a graph, or a part of it, on images: any value can be kept, or forced to another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from triggerfish.errors import one_line
from triggerfish.loading.programs.steps import Ref
from triggerfish.structure.graph import Graph, Node

Run = Callable[[Node], "Callable[..., object] | None"]


@dataclass(frozen=True)
class Unknown:
    """A value that was not computed, and why."""

    because: str


def evaluate(
    graph: Graph,
    images: Tensor,
    wanted: Iterable[str],
    *,
    forced: Mapping[str, object] | None = None,
    runs: Run = lambda node: node.run,
) -> dict[str, object]:
    """The values ``wanted`` for images (N, C, H, W) in the program's own units.

    ``forced`` values are taken as given and not computed. ``runs`` may replace how a node is run.
    A value that cannot be computed is `Unknown`.
    """
    names = tuple(dict.fromkeys(wanted))
    values: dict[str, object] = dict(graph.constants)
    values[graph.input] = images
    forced = forced or {}
    values.update(forced)
    for node in _needed(graph, names, forced):
        _step(node, values, forced, runs)
    return {name: values.get(name, Unknown("nothing computes it")) for name in names}


def _needed(graph: Graph, names: Sequence[str], forced: Mapping[str, object]) -> list[Node]:
    wanted, kept = set(names) - set(forced), []
    for node in reversed(graph.nodes):
        if not wanted.isdisjoint(node.outputs):
            kept.append(node)
            wanted.update(name for name in node.inputs if name not in forced)
    return kept[::-1]


def _step(node: Node, values: dict[str, object], forced: Mapping[str, object], runs: Run) -> None:
    run = runs(node)
    missing = next((v for name in node.inputs if isinstance(v := values.get(name), Unknown)), None)
    if node.op == "if" and missing is not None:
        missing = None if not isinstance(_resolve(node.arguments[0], values), Unknown) else missing
    result: object
    if missing is not None:
        result = missing
    elif run is None:
        result = Unknown(f"the operator {node.op} is not one that is run here")
    else:
        try:
            arguments = [_resolve(item, values) for item in node.arguments]
            options = {key: _resolve(item, values) for key, item in node.options.items()}
            result = run(*arguments, **options)
        except Exception as error:  # a stranger's program may ask an operator for anything
            result = Unknown(f"{node.source}: {type(error).__name__}: {one_line(error)}")
    if len(node.outputs) == 1 or isinstance(result, Unknown):
        results: Sequence[object] = [result] * len(node.outputs)
    else:
        results = list(result)  # type: ignore[call-overload]
    for name, value in zip(node.outputs, results, strict=False):
        if name not in forced:
            values[name] = value


def _resolve(argument: object, values: Mapping[str, object]) -> object:
    if isinstance(argument, Ref):
        return values.get(argument.name, Unknown(f"nothing computes {argument.name}"))
    if isinstance(argument, (list, tuple)):
        return [_resolve(item, values) for item in argument]
    return argument


class Program:
    """A graph as a function of images (N, C, H, W) in the [0, 1] box, whatever it takes itself."""

    def __init__(
        self, graph: Graph, scale: Tensor | float = 1.0, shift: Tensor | float = 0.0
    ) -> None:
        """``images * scale + shift`` is what the program takes, before its channels move."""
        self.graph, self.scale, self.shift = graph, scale, shift

    def inputs(self, images: Tensor) -> Tensor:
        """Images as the program takes them."""
        given = images * self.scale + self.shift
        return given.permute(0, 2, 3, 1) if self.graph.channels_last else given

    def values(
        self,
        images: Tensor,
        wanted: Iterable[str],
        *,
        forced: Mapping[str, object] | None = None,
        runs: Run = lambda node: node.run,
    ) -> dict[str, object]:
        """As `evaluate`; a program that takes so many images at once gets them in such batches.

        Values that do not have one row for each image are those of the first batch.
        """
        names, forced = tuple(dict.fromkeys(wanted)), forced or {}
        size = self.graph.batch or len(images)
        if size >= len(images) and self.graph.batch is None:
            return evaluate(self.graph, self.inputs(images), names, forced=forced, runs=runs)
        parts = []
        for start in range(0, len(images), size):
            part = images[start : start + size]
            rows = torch.arange(start, start + size) % len(images)
            padded = part if len(part) == size else images[rows]
            given = {name: _rows(value, rows, len(images)) for name, value in forced.items()}
            parts.append(evaluate(self.graph, self.inputs(padded), names, forced=given, runs=runs))
        return {name: _joined([part[name] for part in parts], len(images)) for name in names}

    def logits(self, images: Tensor, *, forced: Mapping[str, object] | None = None) -> Tensor:
        """The answers (N, K), or an empty tensor where the program cannot be run."""
        found = self.values(images, (self.graph.output,), forced=forced)[self.graph.output]
        if isinstance(found, Unknown) and self.graph.batch is None and len(images) > 1:
            # Some exported branches work for one image alone.
            single = Program(replace(self.graph, batch=1), self.scale, self.shift)
            return single.logits(images, forced=forced)
        if not isinstance(found, Tensor) or not found.is_floating_point():
            return torch.empty(0)
        return found.flatten(1) if found.ndim > 1 else torch.empty(0)


def _rows(value: object, rows: Tensor, count: int) -> object:
    """The part of a value set by hand that is some images'."""
    whole = isinstance(value, Tensor) and value.ndim > 0 and len(value) == count
    return value[rows] if whole and isinstance(value, Tensor) else value


def _joined(values: list[object], count: int) -> object:
    bad = next((v for v in values if isinstance(v, Unknown)), None)
    if bad is not None:
        return bad
    tensors = [v.reshape(1) if v.ndim == 0 else v for v in values if isinstance(v, Tensor)]
    if len(tensors) == len(values) and all(t.shape[1:] == tensors[0].shape[1:] for t in tensors):
        return torch.cat(tensors)[:count]
    numbers = [v for v in values if isinstance(v, (bool, int, float))]
    return torch.tensor(numbers) if len(numbers) == len(values) else values[0]
