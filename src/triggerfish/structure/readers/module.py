"""A module of the user's own code -> a graph, through ``torch.export``, which runs that code."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from triggerfish.errors import UnsupportedModelError, one_line
from triggerfish.loading.programs.steps import Ref
from triggerfish.structure import names
from triggerfish.structure.graph import Graph, Node
from triggerfish.structure.readers import aten
from triggerfish.structure.readers.builder import Builder, check_depth

NAME = "PyTorch module"
_BATCH = 8


def read_module(module: nn.Module, shape: tuple[int, int, int]) -> Graph:
    """The graph of a module in evaluation mode for images (C, H, W).

    Raises `UnsupportedModelError` for a module that torch.export cannot follow.
    """
    images = torch.rand(_BATCH, *shape)
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # one operator for a whole layer
    try:
        program, batch = _exported(module.eval(), images)
    except Exception as error:  # torch.export raises anything
        raise UnsupportedModelError(
            f"expected a module that torch.export can follow, got: {one_line(error)}"
        ) from error
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
    return graph_of(program, batch)


def _exported(module: nn.Module, images: Tensor) -> tuple[torch.export.ExportedProgram, int | None]:
    """The program, and how many images it takes at once where it counts them."""
    any_number = ({0: torch.export.Dim.AUTO},)
    program = torch.export.export(module, (images,), dynamic_shapes=any_number)
    signature = program.graph_signature.user_inputs
    first = next(n for n in program.graph.nodes if n.name == signature[0])
    count = first.meta["val"].shape[0]
    return program, count if isinstance(count, int) else None


def graph_of(program: torch.export.ExportedProgram, batch: int | None = None) -> Graph:
    """The graph of an exported program in memory, for so many images at once."""
    builder, scope, inputs = Builder(), {}, []
    held: dict[str, Tensor] = {**program.state_dict, **program.constants}
    for spec in program.graph_signature.input_specs:
        if spec.kind == torch.export.graph_signature.InputKind.USER_INPUT:
            inputs.append(spec.arg.name)
        elif spec.target in held:
            scope[spec.arg.name] = builder.constant(held[spec.target].detach(), spec.target).name
    scope[inputs[0]] = inputs[0]
    outputs = _read(program.graph_module, scope, builder, 0)
    output = next((v for v in outputs if isinstance(v, Ref)), None)
    if output is None:
        raise UnsupportedModelError("expected a module that answers with a tensor, got another")
    return Graph(
        NAME,
        tuple(builder.nodes),
        builder.constants,
        inputs[0],
        output.name,
        batch=builder.batch(inputs[0], batch),
        unread=tuple(dict.fromkeys(builder.unread)),
    )


def _read(module: Any, scope: dict[str, str], builder: Builder, depth: int) -> list[object]:  # noqa: ANN401
    check_depth(depth)
    for node in module.graph.nodes:
        if node.op == "output":
            return list(_flat(_resolved(node.args, scope, builder)))
        done = node.op != "call_function" or "assert" in str(node.target)
        if done or node.name in scope:
            continue
        target = node.target
        if str(target) == "cond":
            _branch(module, node, scope, builder, depth)
            continue
        op, run, writes = str(target), None, False
        if isinstance(target, torch._ops.OpOverload) and target.namespace == "aten":
            name = target._opname
            writes = aten.is_in_place(name)
            op, run = names.of_aten(name), aten.run_of(name, target._overloadname)
        elif isinstance(target, torch._ops.HigherOrderOperator):
            builder.unread.append(op)
            op = names.UNREAD
        elif target is operator.getitem or target in aten.PYTHON.values():
            op, run = getattr(target, "__name__", op), target
        arguments = tuple(_resolved(item, scope, builder) for item in node.args)
        options = {key: _resolved(item, scope, builder) for key, item in node.kwargs.items()}
        output = builder.fresh(node.name)
        builder.add(Node(op, node.name, arguments, (output,), options, run, writes))
        scope[node.name] = output
    return []


def _branch(
    module: Any,  # noqa: ANN401
    node: Any,  # noqa: ANN401
    scope: dict[str, str],
    builder: Builder,
    depth: int,
) -> None:
    condition, first, second, operands = node.args
    results = []
    for body in (first, second):
        inner = getattr(module, body.target)
        places = [n.name for n in inner.graph.nodes if n.op == "placeholder"]
        given = {
            place: builder.current(scope[operand.name])
            for place, operand in zip(places, operands, strict=True)
            if operand.name in scope
        }
        results.append(_read(inner, given, builder, depth + 1))
    chosen = [
        Ref(builder.choose(node.name, _resolved(condition, scope, builder), a, b))
        for a, b in zip(*results, strict=True)
    ]
    for user in node.users:
        if user.target is operator.getitem:
            scope[user.name] = chosen[user.args[1]].name
    scope[node.name] = chosen[0].name


def _resolved(value: Any, scope: Mapping[str, str], builder: Builder) -> object:  # noqa: ANN401
    if isinstance(value, torch.fx.Node):
        return Ref(builder.current(scope[value.name])) if value.name in scope else None
    if isinstance(value, (list, tuple)):
        return [_resolved(item, scope, builder) for item in value]
    return value


def _flat(value: object) -> list[object]:
    if isinstance(value, list):
        return [item for part in value for item in _flat(part)]
    return [value]
