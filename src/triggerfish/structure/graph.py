"""One typed data-flow graph for every format: what a program computes, node by node.

Functions and the bodies of branches are written out in line: an `if` node chooses between the
values of its two bodies, which are both there. Operators that cannot be run have no ``run``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from torch import Tensor

from triggerfish.loading.programs.steps import Ref

MAX_NODES = 100_000
MAX_DEPTH = 32


@dataclass(frozen=True, eq=False)
class Node:
    """``outputs = run(*arguments, **options)``; arguments hold `Ref` for values of other nodes.

    ``op`` is the operator's name as `names.canonical` has it in every format, ``source`` what the
    file calls the node. ``writes`` says that the file's operator works in place.
    """

    op: str
    source: str
    arguments: tuple[object, ...]
    outputs: tuple[str, ...]
    options: Mapping[str, object] = field(default_factory=dict)
    run: Callable[..., object] | None = None
    writes: bool = False

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """Names of the values that the node reads, in order."""
        return tuple(_names((*self.arguments, *self.options.values())))


@dataclass(frozen=True)
class Graph:
    """Nodes in an order in which they can be run, from ``input`` to ``output``.

    ``input_shape`` is (C, H, W), None where the file does not say it; ``channels_last`` says that
    the program takes (H, W, C). ``batch`` is how many images it takes at once, None for any.
    ``unread`` are kinds of nodes whose insides were not read, as loops.
    """

    format: str
    nodes: tuple[Node, ...]
    constants: Mapping[str, Tensor]
    input: str
    output: str
    input_shape: tuple[int, int, int] | None = None
    channels_last: bool = False
    batch: int | None = None
    unread: tuple[str, ...] = ()

    @cached_property
    def producer(self) -> Mapping[str, Node]:
        """The node that computes each value."""
        return {name: node for node in self.nodes for name in node.outputs}

    @cached_property
    def consumers(self) -> Mapping[str, tuple[Node, ...]]:
        """The nodes that read each value."""
        found: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                found.setdefault(name, []).append(node)
        return {name: tuple(nodes) for name, nodes in found.items()}

    def before(self, names: tuple[str, ...]) -> list[Node]:
        """The nodes that the values ``names`` rest on, in order."""
        wanted, kept = set(names), []
        for node in reversed(self.nodes):
            if wanted.intersection(node.outputs):
                kept.append(node)
                wanted.update(node.inputs)
        return kept[::-1]

    def after(self, names: tuple[str, ...]) -> list[Node]:
        """The nodes that rest on the values ``names``, in order."""
        reached, kept = set(names), []
        for node in self.nodes:
            if reached.intersection(node.inputs):
                kept.append(node)
                reached.update(node.outputs)
        return kept


def _names(argument: object) -> Iterator[str]:
    if isinstance(argument, Ref):
        yield argument.name
    elif isinstance(argument, (list, tuple)):
        for item in argument:
            yield from _names(item)
