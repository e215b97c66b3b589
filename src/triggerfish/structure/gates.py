"""Where something that looked at the image by itself enters the answer: gates, found by structure.

A *choice* is a condition or an index that selects; a *factor* a condition used as a number; a
*side* a thin value, from few learned layers, that is combined with one from more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from triggerfish.loading.programs.steps import Ref
from triggerfish.structure import names
from triggerfish.structure.facts import Facts, impossible
from triggerfish.structure.graph import Graph, Node

Role = Literal["choice", "factor", "side"]

# How many numbers per image a gate may have: a class each, or a few pixels.
THIN = 64
# Most learned layers between the image and a side path.
SHALLOW = 1

# Which argument of a choosing operator is the condition or the index.
_CONDITIONS = {
    "where": 0, "if": 0, "masked_fill": 1, "index_put": 1, "scatter": 2, "index": 1,
    "index_select": 1, "gather": 2, "masked_select": 1, "take": 1, "index_copy": 2,
    "index_fill": 2, "embedding": 1,
}  # fmt: skip
_ONNX_CONDITIONS = {
    "scatter": 1, "gather": 1, "index_select": 1, "index_put": 1, "index": 1, "masked_select": 1,
}  # fmt: skip


@dataclass(frozen=True)
class Gate:
    """``value`` enters at ``merge``, beside ``others``; what it does there is its ``role``."""

    value: str
    merge: Node
    role: Role
    others: tuple[str, ...]


def gates_of(graph: Graph, facts: Facts) -> list[Gate]:
    """Every gate of a graph, by structure alone; how thin each is has to be measured."""
    found = []
    for node in graph.nodes:
        if facts.live.isdisjoint(node.outputs):
            continue
        for gate in (*_choices(node, graph, facts), *_combined(node, graph, facts)):
            if _may_matter(gate, graph, facts):
                found.append(gate)
    return found


def _choices(node: Node, graph: Graph, facts: Facts) -> Iterator[Gate]:
    if node.op not in _CONDITIONS:
        return
    table = _ONNX_CONDITIONS if graph.format.startswith("ONNX") else {}
    place = table.get(node.op, _CONDITIONS[node.op])
    arguments = [*node.arguments, *node.options.values()]
    if place >= len(arguments):
        return
    conditions = [name for name in _refs(arguments[place]) if facts.depends(name)]
    others = tuple(name for i, item in enumerate(arguments) if i != place for name in _refs(item))
    for name in conditions:
        yield Gate(name, node, "choice", others)


def _combined(node: Node, graph: Graph, facts: Facts) -> Iterator[Gate]:
    given = [name for name in dict.fromkeys(node.inputs) if facts.depends(name)]
    if node.op not in names.COMBINING and len(given) < 2:
        return
    chosen_by = {gate.value for gate in _choices(node, graph, facts)}
    for name in given:
        if name in chosen_by:
            continue
        fact = facts.of[name]
        others = tuple(other for other in given if other != name)
        if fact.decision and not all(facts.of[o].decision for o in others):
            yield Gate(name, node, "factor", others)
        elif fact.decision and not others:
            yield Gate(name, node, "factor", tuple(n for n in node.inputs if n != name))
        elif any(facts.of[o].fewest > fact.fewest and fact.fewest <= SHALLOW for o in others) or (
            fact.most <= SHALLOW and any(facts.of[o].fewest == fact.fewest for o in others)
        ):
            yield Gate(name, node, "side", others)


def _may_matter(gate: Gate, graph: Graph, facts: Facts) -> bool:
    """Leave out what is decided after the answer, and what asks for the impossible."""
    fact, answer = facts.of[gate.value], facts.of.get(graph.output)
    if answer is None:
        return False
    if gate.role != "side" and fact.fewest >= answer.most:
        return False
    return not _rests_on_impossible(gate.value, graph, facts)


def _rests_on_impossible(name: str, graph: Graph, facts: Facts) -> bool:
    """Whether a decision rests on nothing but tests for NaN and infinity of learned values."""
    left, seen, tests = [name], set(), 0
    while left:
        value = left.pop()
        if value in seen or not facts.depends(value):
            continue
        seen.add(value)
        node = graph.producer.get(value)
        if node is None:
            return False
        if impossible(node, graph) and facts.of[value].fewest > 0:
            tests += 1
        elif facts.of[value].decision:
            left += node.inputs
        else:
            return False
    return tests > 0


def _refs(argument: object) -> Iterator[str]:
    if isinstance(argument, Ref):
        yield argument.name
    elif isinstance(argument, (list, tuple)):
        for item in argument:
            yield from _refs(item)
