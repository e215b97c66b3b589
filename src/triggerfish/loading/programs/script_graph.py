"""Changes in a TorchScript program's graph that leave its function alone.

A view works in one layout of memory only, and a reshape does the same in all; a final softmax or
sigmoid rounds log-odds away; half precision is slow here, and wants inputs of its own type.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from triggerfish.loading.programs.operators import PROBABILITY_HEADS

_HALVES = (torch.float16, torch.bfloat16)
_HALF_NUMBERS, _FLOAT_NUMBER = (5, 15), 6  # of c10::ScalarType
_ANSWERS = frozenset(("prim::TupleConstruct", "prim::ListConstruct", "prim::DictConstruct"))


def simplified(network: torch.jit.ScriptModule) -> torch.jit.ScriptModule:
    """``network`` itself, changed in place: in float32, without final heads, any layout."""
    halves = any(v.dtype in _HALVES for v in (*network.parameters(), *network.buffers()))
    if halves:
        network = network.float()
    # mypy does not know PyTorch's graphs.
    graph: Any = network._c._get_method("forward").graph
    torch._C._jit_pass_inline(graph)
    for node in list(_nodes(graph)):
        if node.kind() == "aten::view" and "SymInt[] size" in node.schema():
            _replace(graph, node, "aten::reshape")
        elif halves:
            _in_single_precision(graph, node)
    _without_heads(graph)
    torch._C._jit_pass_dce(graph)
    torch._C._jit_pass_lint(graph)
    return network


def _nodes(block: Any) -> Iterator[Any]:  # noqa: ANN401 - a graph, or a block of it
    for node in block.nodes():
        yield node
        for inner in node.blocks():
            yield from _nodes(inner)


def _replace(graph: Any, node: Any, kind: str) -> None:  # noqa: ANN401
    """Put an operator with the same inputs in the place of a node."""
    other = graph.create(kind, list(node.inputs()), 1)
    other.insertBefore(node)
    other.output().setType(node.output().type())
    node.output().replaceAllUsesWith(other.output())
    node.destroy()


def _in_single_precision(graph: Any, node: Any) -> None:  # noqa: ANN401
    """Turn a constant, or an operator's type argument, from half to single precision."""
    if node.kind() == "prim::Constant":
        if node.hasAttribute("value") and node.kindOf("value") == "t":
            value = node.t("value")
            if value.dtype in _HALVES:
                node.t_("value", value.float())
        return
    if not node.kind().startswith("aten::") or "dtype" not in node.schema():
        return
    names = [argument.name for argument in torch._C.parse_schema(node.schema()).arguments]
    for place, (name, value) in enumerate(zip(names, list(node.inputs()), strict=False)):
        if name == "dtype" and value.toIValue() in _HALF_NUMBERS:
            single = graph.create("prim::Constant", [], 1)
            single.i_("value", _FLOAT_NUMBER)
            single.insertBefore(node)
            single.output().setType(value.type())
            node.replaceInput(place, single.output())


def _without_heads(graph: Any) -> None:  # noqa: ANN401
    """Let the program answer with what goes into its final softmaxes and sigmoids."""
    (answer,) = graph.outputs()
    node = answer.node()
    if node.kind() in _ANSWERS:
        for place, value in enumerate(list(node.inputs())):
            node.replaceInput(place, _logits(value))
    elif (logits := _logits(answer)) is not answer:
        graph.eraseOutput(0)
        graph.registerOutput(logits)


def _logits(value: Any) -> Any:  # noqa: ANN401
    """What goes into the head that a value comes from; the value itself without one."""
    node = value.node()
    name = node.kind().removeprefix("aten::")
    if name not in PROBABILITY_HEADS or not node.kind().startswith("aten::"):
        return value
    inputs = list(node.inputs())
    axis = inputs[1].toIValue() if len(inputs) > 1 else 1
    # A softmax over something else than the classes is no head.
    return inputs[0] if axis in (1, -1) else value
