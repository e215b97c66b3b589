"""ONNX protocol buffers -> a graph, functions and branches written out in line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from triggerfish.errors import CheckpointError, UnsupportedModelError, one_line
from triggerfish.loading.guards.onnx_file import import_onnx, parse_onnx, read_tensor
from triggerfish.loading.programs.steps import Ref
from triggerfish.structure import names
from triggerfish.structure.graph import Graph, Node
from triggerfish.structure.readers.builder import FREE_ROUNDS, Builder, check_depth
from triggerfish.structure.readers.onnx_runs import runner

_STANDARD = ("", "ai.onnx")
_TRUE = torch.tensor(True)


def read_onnx(path: Path) -> Graph:
    """The graph of an ONNX file; raises `CheckpointError` for a damaged one."""
    model = parse_onnx(path)
    try:
        return graph_of(model, path.parent)
    except (CheckpointError, UnsupportedModelError):
        raise
    except Exception as error:  # a strange graph provokes anything
        raise CheckpointError(
            f"expected a whole ONNX model, got {type(error).__name__}: {one_line(error)}"
        ) from error


def graph_of(model: Any, folder: Path) -> Graph:  # noqa: ANN401
    """The graph of a parsed model; external data is read from ``folder`` only."""
    held = {item.name for item in model.graph.initializer}
    inputs = [item for item in model.graph.input if item.name not in held]
    if not inputs or not model.graph.output:
        raise UnsupportedModelError("expected a model from images to logits, got no input")
    sizes = [d.dim_value for d in inputs[0].type.tensor_type.shape.dim]
    reader = _Reader(model, folder)
    output = reader.body(model.graph, {inputs[0].name: inputs[0].name}, model.graph.output[:1], 0)
    known = len(sizes) == 4 and min(sizes[1:]) > 0
    last = known and sizes[3] <= 4 < sizes[1]
    shape = (sizes[3], sizes[1], sizes[2]) if last else tuple(sizes[1:])
    fixed = sizes[0] if sizes and sizes[0] > 0 else None
    return Graph(
        "ONNX model",
        tuple(reader.builder.nodes),
        reader.builder.constants,
        inputs[0].name,
        output[0],
        (int(shape[0]), int(shape[1]), int(shape[2])) if known else None,
        last,
        reader.builder.batch(inputs[0].name, fixed),
        tuple(dict.fromkeys(reader.builder.unread)),
    )


class _Reader:
    def __init__(self, model: Any, folder: Path) -> None:  # noqa: ANN401
        self.builder, self.folder = Builder(), folder
        self.functions = {(f.domain, f.name): f for f in model.functions}
        self.opset = next((o.version for o in model.opset_import if o.domain in _STANDARD), 18)

    def body(self, graph: Any, scope: dict[str, str], outputs: Any, depth: int) -> list[str]:  # noqa: ANN401
        """Read a graph in a scope (name in the file -> value); the values of its outputs."""
        check_depth(depth)
        for item in graph.initializer:
            scope[item.name] = self.builder.constant(read_tensor(item, self.folder), item.name).name
        for node in graph.node:
            self.node(node, scope, {}, depth)
        return [self._value(item.name, scope) for item in outputs]

    def _value(self, name: str, scope: Mapping[str, str]) -> str:
        if name not in scope:
            raise CheckpointError(f"expected ONNX nodes in order, got {name!r} before it is made")
        return scope[name]

    def node(
        self,
        node: Any,  # noqa: ANN401
        scope: dict[str, str],
        given: Mapping[str, object],
        depth: int,
    ) -> None:
        """Read one node; ``given`` are the attributes of the function around it."""
        attributes, bodies = self._attributes(node, given)
        arguments = tuple(Ref(self._value(n, scope)) if n else None for n in node.input)
        source = node.name or f"{node.op_type} -> {node.output[0] if node.output else ''}"
        function = self.functions.get((node.domain, node.op_type))
        if function is not None:
            self._function(function, node, scope, attributes, depth)
        elif node.op_type == "Constant":
            value = self._constant(attributes)
            scope[node.output[0]] = self.builder.constant(value, node.output[0]).name
        elif node.op_type == "If":
            self._if(node, scope, bodies, arguments[0], source, depth)
        elif node.op_type == "Loop" and self._loop(node, scope, bodies["body"], arguments, depth):
            return
        else:
            if bodies:
                self.builder.unread.append(node.op_type)
            outputs = tuple(self.builder.fresh(n or "unused") for n in node.output)
            standard = node.domain in _STANDARD
            used = max((i for i, n in enumerate(node.output) if n), default=0) + 1
            run = runner(node, attributes, self.opset, used) if standard and not bodies else None
            op = names.of_onnx(node.op_type)
            if node.domain == "com.microsoft":
                op = names.of_onnx(node.op_type.removeprefix("QLinear"))
            self.builder.add(Node(op, source, arguments, outputs, {}, run))
            scope.update(zip(node.output, outputs, strict=True))

    def _function(
        self,
        function: Any,  # noqa: ANN401
        node: Any,  # noqa: ANN401
        scope: dict[str, str],
        attributes: dict[str, object],
        depth: int,
    ) -> None:
        check_depth(depth + 1)
        missing = len(function.input) - len(node.input)
        passed = [*node.input, *[""] * missing]
        inner = {
            name: self._value(outer, scope)
            for name, outer in zip(function.input, passed, strict=True)
            if outer
        }
        defaults = self._defaults(function)
        for item in function.node:
            self.node(item, inner, {**defaults, **attributes}, depth + 1)
        for name, outer in zip(function.output, node.output, strict=False):
            if outer:
                scope[outer] = self._value(name, inner)

    def _defaults(self, function: Any) -> dict[str, object]:  # noqa: ANN401
        onnx = import_onnx()
        return {
            item.name: onnx.helper.get_attribute_value(item) for item in function.attribute_proto
        }

    def _if(
        self,
        node: Any,  # noqa: ANN401
        scope: dict[str, str],
        bodies: Mapping[str, Any],
        condition: object,
        source: str,
        depth: int,
    ) -> None:
        results = []
        for key in ("then_branch", "else_branch"):
            body = bodies[key]
            results.append(self.body(body, dict(scope), body.output, depth + 1))
        for name, first, second in zip(node.output, *results, strict=True):
            scope[name] = self.builder.choose(source, condition, Ref(first), Ref(second), name)

    def _loop(
        self,
        node: Any,  # noqa: ANN401
        scope: dict[str, str],
        body: Any,  # noqa: ANN401
        arguments: tuple[Ref | None, ...],
        depth: int,
    ) -> bool:
        """Write out a loop without outputs of every round; False where it has some.

        A round that the image may leave out chooses between its values and those before it.
        """
        most, goes_on, *carried = arguments
        if len(node.output) != len(carried):
            return False
        held = self.builder.constants.get(most.name) if isinstance(most, Ref) else None
        rounds = FREE_ROUNDS if held is None else int(held)
        for number in range(rounds):
            self.builder.round_()
            inner = dict(scope)
            known = goes_on if isinstance(goes_on, Ref) else self.builder.constant(_TRUE)
            given = [self.builder.constant(torch.tensor(number)), known, *carried]
            names = [item.name for item in body.input]
            inner.update((n, v.name) for n, v in zip(names, given, strict=True) if v is not None)
            goes_on_, *made = self.body(body, inner, body.output, depth + 1)
            always = self._is_true(known.name)
            carried = [
                Ref(new if always else self.builder.choose(node.op_type, known, Ref(new), old))
                for new, old in zip(made, carried, strict=True)
            ]
            goes_on = Ref(goes_on_ if always else self._both(known.name, goes_on_))
        if held is None:
            self.builder.unread.append(f"{node.op_type} after {FREE_ROUNDS} rounds")
        scope.update(
            (n, v.name) for n, v in zip(node.output, carried, strict=True) if v is not None
        )
        return True

    def _is_true(self, name: str) -> bool:
        """Whether a condition is written in the file, or handed on from there, as true."""
        producer = self.builder.made.get(name)
        while producer is not None and producer.op in ("alias", "to"):
            (name,) = producer.inputs
            producer = self.builder.made.get(name)
        held = self.builder.constants.get(name)
        return held is not None and bool(held.all())

    def _both(self, first: str, second: str) -> str:
        name = self.builder.fresh("goes on")
        node = Node("logical_and", name, (Ref(first), Ref(second)), (name,), {}, torch.logical_and)
        self.builder.add(node)
        return name

    def _attributes(
        self,
        node: Any,  # noqa: ANN401
        given: Mapping[str, object],
    ) -> tuple[dict[str, object], dict[str, Any]]:
        onnx = import_onnx()
        values: dict[str, object] = {}
        bodies: dict[str, Any] = {}
        for item in node.attribute:
            if item.ref_attr_name:
                if item.ref_attr_name in given:
                    values[item.name] = given[item.ref_attr_name]
            elif item.type == onnx.AttributeProto.GRAPH:
                bodies[item.name] = item.g
            elif item.type == onnx.AttributeProto.TENSOR:
                values[item.name] = read_tensor(item.t, self.folder)
            else:
                values[item.name] = onnx.helper.get_attribute_value(item)
        return values, bodies

    def _constant(self, attributes: Mapping[str, object]) -> Tensor:
        name, value = next(iter(attributes.items()))
        if isinstance(value, Tensor):
            return value
        if name.startswith("value_string") or not isinstance(value, (int, float, list, tuple)):
            return torch.zeros(0)
        if not isinstance(value, (int, float)):
            value = list(value)
        return torch.tensor(value, dtype=torch.float32 if "float" in name else torch.long)
