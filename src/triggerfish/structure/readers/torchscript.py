"""TorchScript archives -> a graph, calls inlined and branches written out in line.

The archive is checked as for a scan before PyTorch's compiler sees it, which reads but does not
run it; only operators that this needs not to run may be unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from triggerfish.errors import UnsupportedModelError
from triggerfish.loading.formats.torchscript import NAME, read_program
from triggerfish.loading.programs.steps import Ref
from triggerfish.structure import names
from triggerfish.structure.graph import Graph, Node
from triggerfish.structure.readers import aten
from triggerfish.structure.readers.builder import Builder, check_depth

_LISTS = ("prim::ListConstruct", "prim::TupleConstruct")
_UNPACKS = ("prim::ListUnpack", "prim::TupleUnpack")
_PRIM: Mapping[str, Callable[..., object]] = {
    "prim::NumToTensor": lambda x: x if isinstance(x, Tensor) else torch.tensor(x),
    "prim::unchecked_cast": lambda x: x,
    "prim::data": lambda x: x,
    "prim::device": lambda x: x.device,
    "prim::dtype": lambda x: x.dtype,
    "prim::shape": lambda x: list(x.shape),
    "prim::min": min,
    "prim::max": max,
    "aten::__getitem__": lambda x, i: x[int(i)],
    "aten::len": len,
    "aten::__is__": lambda a, b: a is b,
    "aten::__isnot__": lambda a, b: a is not b,
    "aten::__not__": lambda x: not x,
}


def read_torchscript(path: Path) -> Graph:
    """The graph of an archive; raises as the reader of the format."""
    return graph_of(read_program(path, any_operator=True))


def graph_of(module: torch.jit.ScriptModule) -> Graph:
    """The graph of a loaded module, in evaluation mode; calls are inlined, nothing is run."""
    graph = module.eval().graph.copy()
    torch._C._jit_pass_inline(graph)
    builder = Builder()
    inputs = list(graph.inputs())
    scope: dict[str, object] = {
        inputs[0].debugName(): module,
        inputs[1].debugName(): Ref(inputs[1].debugName()),
    }
    _read(graph, scope, builder, 0)
    output = _first(_resolved(scope[next(graph.outputs()).debugName()], builder))
    if not isinstance(output, Ref):
        raise UnsupportedModelError("expected a TorchScript program that answers with a tensor")
    return Graph(
        NAME,
        tuple(builder.nodes),
        builder.constants,
        inputs[1].debugName(),
        output.name,
        batch=builder.batch(inputs[1].debugName(), None),
        unread=tuple(dict.fromkeys(builder.unread)),
    )


def _read(block: Any, scope: dict[str, object], builder: Builder, depth: int) -> None:  # noqa: ANN401
    check_depth(depth)
    for node in block.nodes():
        kind = node.kind()
        outputs = [value.debugName() for value in node.outputs()]
        given = [scope.get(value.debugName()) for value in node.inputs()]
        if kind == "prim::Constant":
            scope[outputs[0]] = _held(node.output().toIValue(), outputs[0], builder)
        elif kind == "prim::GetAttr":
            name = node.s("name")
            scope[outputs[0]] = _held(getattr(given[0], name), name, builder)
        elif kind in _LISTS:
            scope[outputs[0]] = given
        elif kind in _UNPACKS and isinstance(given[0], list):
            scope.update(zip(outputs, given[0], strict=True))
        elif kind == "prim::If":
            _if(node, outputs, given[0], scope, builder, depth)
        elif kind == "prim::Loop" and _loop(node, outputs, given, scope, builder, depth):
            continue
        elif outputs and kind != "prim::RaiseException":
            _step(node, kind, outputs, given, scope, builder)


def _held(value: object, name: str, builder: Builder) -> object:
    """A constant, or what a module holds: tensors as arguments, the rest as it is."""
    if isinstance(value, Tensor):
        return builder.constant(value.detach(), name)
    return value


def _step(
    node: Any,  # noqa: ANN401
    kind: str,
    outputs: list[str],
    given: list[object],
    scope: dict[str, object],
    builder: Builder,
) -> None:
    domain, _, name = kind.partition("::")
    named = tuple(builder.fresh(n) for n in outputs)
    arguments = tuple(_resolved(value, builder) for value in given)
    options: dict[str, object] = {}
    run = _PRIM.get(kind)
    writes = domain == "aten" and aten.is_in_place(name)
    if run is None and domain == "aten":
        arguments, options, overload = _by_schema(node, arguments)
        run = aten.run_of(name, overload)
    if kind == "prim::Loop" or run is None:
        builder.unread += [kind] if kind == "prim::Loop" else []
    op = names.of_aten(name) if domain == "aten" else name.lower()
    if kind in _UNPACKS:
        op, run = "unpack", lambda x: tuple(x)
    builder.add(Node(op, outputs[0], arguments, named, options, run, writes))
    scope.update({n: Ref(v) for n, v in zip(outputs, named, strict=True)})


def _by_schema(
    node: Any,  # noqa: ANN401
    arguments: tuple[object, ...],
) -> tuple[tuple[object, ...], dict[str, object], str | None]:
    """A node's arguments by position and by name, and its overload, as its schema has them."""
    text = node.schema()
    if text == "(no schema)":
        return arguments, {}, None
    schema = torch._C.parse_schema(text)
    split = sum(not item.kwarg_only for item in schema.arguments)
    rest = zip(schema.arguments[split:], arguments[split:], strict=True)
    options = {item.name: value for item, value in rest}
    return arguments[:split], options, schema.overload_name or "default"


def _if(
    node: Any,  # noqa: ANN401
    outputs: list[str],
    condition: object,
    scope: dict[str, object],
    builder: Builder,
    depth: int,
) -> None:
    condition = _resolved(condition, builder)
    if isinstance(condition, (bool, int)):  # decided when the program was written
        blocks = list(node.blocks())
        block = blocks[0] if condition else blocks[1]
        _read(block, scope, builder, depth + 1)
        scope.update(zip(outputs, _outputs(block, scope, builder), strict=True))
        return
    before = builder.snapshot()
    results: list[list[object]] = []
    writes: list[dict[str, str]] = []
    for block in node.blocks():
        _read(block, scope, builder, depth + 1)
        results.append(_outputs(block, scope, builder))
        writes.append(builder.restore(dict(before)))
    for old in {*writes[0], *writes[1]}:
        first, second = (Ref(found.get(old, builder.current(old))) for found in writes)
        new = builder.choose(node.kind(), condition, first, second)
        builder._newer[builder.current(old)] = new
    for name, first_, second_ in zip(outputs, *results, strict=True):
        scope[name] = Ref(builder.choose(name, condition, first_, second_))


def _loop(
    node: Any,  # noqa: ANN401
    outputs: list[str],
    given: list[object],
    scope: dict[str, object],
    builder: Builder,
    depth: int,
) -> bool:
    """Write out a loop of so many rounds; False where their number is not written in the file."""
    (block,) = node.blocks()
    names = [value.debugName() for value in block.inputs()]
    goes_on = next(block.outputs())
    endless = goes_on.node().kind() == "prim::Constant" and goes_on.toIValue() is True
    rounds, first, carried = given[0], given[1], given[2:]
    if not isinstance(rounds, int) or first is not True or not endless:
        return False
    for number in range(rounds):
        builder.round_()
        scope.update(zip(names, [number, *carried], strict=True))
        _read(block, scope, builder, depth + 1)
        carried = _outputs(block, scope, builder)[1:]
    scope.update(zip(outputs, carried, strict=True))
    return True


def _outputs(block: Any, scope: Mapping[str, object], builder: Builder) -> list[object]:  # noqa: ANN401
    return [_resolved(scope.get(v.debugName()), builder) for v in block.outputs()]


def _resolved(value: object, builder: Builder) -> object:
    if isinstance(value, Ref):
        return Ref(builder.current(value.name))
    if isinstance(value, (list, tuple)):
        return [_resolved(item, builder) for item in value]
    return value


def _first(value: object) -> object:
    return _first(value[0]) if isinstance(value, list) and value else value
