"""What follows from a graph without running it: what depends on the image, and through how much.

Facts are per value. A value *depends* when the image's content, not its shape alone, enters it.
``fewest`` and ``most`` count the learned layers on the shortest and longest way from the image.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from triggerfish.loading.programs.steps import Ref
from triggerfish.structure import names
from triggerfish.structure.graph import Graph, Node

# A layer of fewer values, or of fewer outputs, may be a constant mask or kernel.
_LEARNED_VALUES = 32
_LEARNED_OUTPUTS = 4


@dataclass(frozen=True)
class Fact:
    """What is known about one value that depends on the image."""

    fewest: int
    most: int
    decision: bool


@dataclass(frozen=True)
class Facts:
    """``of`` has a `Fact` for each value that depends on the image; ``live`` reach the output."""

    of: Mapping[str, Fact]
    live: frozenset[str]

    def depends(self, name: str) -> bool:
        """Whether the image's content enters a value."""
        return name in self.of


def facts_of(graph: Graph) -> Facts:
    """The facts of all values of a graph."""
    found: dict[str, Fact] = {graph.input: Fact(0, 0, False)}
    for node in graph.nodes:
        if node.op in names.SHAPES:
            continue
        given = [found[name] for name in node.inputs if name in found]
        if not given or _is_constant(node):
            continue
        layers = 1 if is_learned(node, graph) else 0
        fact = Fact(
            min(item.fewest for item in given) + layers,
            max(item.most for item in given) + layers,
            _is_decision(node, found),
        )
        for name in node.outputs:
            found[name] = fact
    return Facts(found, _live(graph))


def is_learned(node: Node, graph: Graph) -> bool:
    """Whether a node is a layer with weights of its own, or one that a Keras config names."""
    if node.op not in names.LAYERS:
        return False
    if graph.format.startswith(("Keras", "TensorFlow.js")):
        return True
    sizes = [graph.constants[name].shape for name in node.inputs if name in graph.constants]
    weights = [shape for shape in sizes if len(shape) >= 2]
    if not weights:  # weights that are themselves computed, as dequantised ones
        others = [name for name in node.inputs if name in graph.producer]
        return len(others) >= 2 or not sizes
    shape = max(weights, key=math.prod)
    return math.prod(shape) >= _LEARNED_VALUES and max(shape[0], shape[-1]) >= _LEARNED_OUTPUTS


def _is_constant(node: Node) -> bool:
    """Operators that answer the same whatever the image's content is."""
    if node.op in ("zeros_like", "ones_like", "full_like", "full", "zeros", "ones", "new_zeros"):
        return True
    same = node.op in ("sub", "eq", "ne") and len(node.arguments) >= 2
    return bool(
        same and isinstance(node.arguments[0], Ref) and node.arguments[0] == node.arguments[1]
    )


def _is_decision(node: Node, found: Mapping[str, Fact]) -> bool:
    """Whether a node's result is a condition, or a place, that the image decides."""
    if node.op in names.COMPARISONS or node.op in names.PICKS:
        return True
    if node.op in names.LOGIC or node.op in names.VIEWS or node.op in ("prod", "amin", "amax"):
        given = [found[name] for name in node.inputs if name in found]
        return bool(given) and all(item.decision for item in given)
    if node.op in ("mul", "sub", "add"):
        given = [found[name] for name in node.inputs if name in found]
        return bool(given) and all(item.decision for item in given)
    return False


def _live(graph: Graph) -> frozenset[str]:
    live = {graph.output}
    for node in reversed(graph.nodes):
        if not live.isdisjoint(node.outputs):
            live.update(node.inputs)
    return frozenset(live)


def impossible(node: Node, graph: Graph) -> bool:
    """Whether a node asks for what finite arithmetic never gives: NaN, or exactly infinity."""
    if node.op in ("isnan", "isinf", "isfinite"):
        return True
    if node.op not in ("eq", "ne", "le", "lt", "ge", "gt"):
        return False
    constants = [graph.constants[n] for n in node.inputs if n in graph.constants]
    numbers = [v for v in node.arguments if isinstance(v, float)]
    # x != x is the test for NaN.
    twice = len(node.inputs) == 2 and node.inputs[0] == node.inputs[1]
    return twice or any(math.isinf(v) for v in numbers) or any(_infinite(c) for c in constants)


def _infinite(value: Tensor) -> bool:
    return value.is_floating_point() and value.numel() > 0 and bool(value.isinf().all())
