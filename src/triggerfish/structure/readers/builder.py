"""Collects the nodes of a graph: unique names, bounds, and writes in place as new values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from triggerfish.errors import UnsupportedModelError
from triggerfish.loading.programs.steps import Ref
from triggerfish.structure.graph import MAX_DEPTH, MAX_NODES, Node
from triggerfish.structure.names import SHAPES

MAX_ROUNDS = 10_000
# Of a loop that the image may end: later ones are not read.
FREE_ROUNDS = 32

# View -> how a written view goes back into what it shows: (base, view, *arguments of the view).
_SCATTERS: Mapping[str, Callable[..., Tensor]] = {
    "select": torch.ops.aten.select_scatter.default,
    "slice": torch.ops.aten.slice_scatter.default,
    **{
        name: lambda base, view, *_: view.reshape(base.shape)
        for name in ("view", "reshape", "unsqueeze", "squeeze", "flatten", "alias", "detach")
    },
    "expand": lambda base, view, *_: view,
}


class Builder:
    """Nodes in the making. ``name`` in the file -> its current value, through ``names``."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.constants: dict[str, Tensor] = {}
        self.unread: list[str] = []
        self.made: dict[str, Node] = {}
        self._count = self._rounds = 0
        # value -> (the value it is a view of, the view's node): a write goes through to it.
        self._views: dict[str, tuple[str, Node]] = {}
        # Values that a write has replaced, by the one that replaces them.
        self._newer: dict[str, str] = {}

    def fresh(self, name: str) -> str:
        """A name that no other value has."""
        self._count += 1
        return f"{name}#{self._count}"

    def current(self, name: str) -> str:
        """The value that ``name`` has after all writes so far."""
        while name in self._newer:
            name = self._newer[name]
        return name

    def constant(self, value: Tensor, name: str = "constant") -> Ref:
        """A constant as an argument."""
        name = self.fresh(name)
        self.constants[name] = value
        return Ref(name)

    def add(self, node: Node) -> None:
        """The next node; one that works in place also renews what it wrote to.

        Raises `UnsupportedModelError` beyond `MAX_NODES`.
        """
        if len(self.nodes) >= MAX_NODES:
            raise UnsupportedModelError(
                f"expected a program of up to {MAX_NODES} nodes, got more: it is not read"
            )
        self.nodes.append(node)
        self.made.update(dict.fromkeys(node.outputs, node))
        first = node.arguments[0] if node.arguments else None
        if isinstance(first, Ref):
            if node.writes:
                self._renew(first.name, node.outputs[0])
            elif node.op in _SCATTERS:
                self._views[node.outputs[0]] = (first.name, node)

    def _renew(self, old: str, new: str) -> None:
        if old == new:
            return
        self._newer[old] = new
        if old not in self._views:
            return
        base, view = self._views[old]
        base = self.current(base)
        whole = self.fresh(base.partition("#")[0])
        scatter = _SCATTERS[view.op]
        node = Node(
            f"{view.op}_scatter",
            view.source,
            (Ref(base), Ref(new), *view.arguments[1:]),
            (whole,),
            view.options,
            scatter,
        )
        self.nodes.append(node)
        self._renew(base, whole)

    def choose(
        self, source: str, condition: object, first: object, second: object, name: str = "chosen"
    ) -> str:
        """An `if` between two values; returns its name, which begins with ``name``."""
        name = self.fresh(name)
        self.add(Node("if", source, (condition, first, second), (name,), {}, choose))
        return name

    def round_(self) -> None:
        """Count one more round of a loop; raises `UnsupportedModelError` beyond `MAX_ROUNDS`."""
        self._rounds += 1
        if self._rounds > MAX_ROUNDS:
            raise UnsupportedModelError(
                f"expected loops of up to {MAX_ROUNDS} rounds in all, got more: they are not read"
            )

    def batch(self, name: str, fixed: int | None) -> int | None:
        """How many images the program takes at once: one, where images decide between bodies."""
        depends = {name}
        for node in self.nodes:
            if node.op in SHAPES:
                continue
            if node.op == "if" and depends.intersection(node.inputs[:1]):
                return 1
            if depends.intersection(node.inputs):
                depends.update(node.outputs)
        return fixed

    def snapshot(self) -> dict[str, str]:
        """The current state of writes, to be compared after the body of a branch."""
        return dict(self._newer)

    def restore(self, state: dict[str, str]) -> dict[str, str]:
        """Go back to a state; returns what was written since, old value -> last value."""
        written = {old: self.current(old) for old in self._newer if old not in state}
        self._newer = state
        return written


def choose(condition: Any, first: Any, second: Any) -> Any:  # noqa: ANN401
    """What an `if` does."""
    return first if bool(condition) else second


def check_depth(depth: int) -> None:
    """Refuse bodies in bodies, or functions in functions, beyond `MAX_DEPTH`."""
    if depth > MAX_DEPTH:
        raise UnsupportedModelError(
            f"expected branches and functions up to {MAX_DEPTH} deep, got deeper ones"
        )
