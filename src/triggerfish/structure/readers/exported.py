"""``torch.export`` programs (``.pt2``) -> a graph, from their JSON."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from triggerfish.errors import CheckpointError, UnsupportedModelError
from triggerfish.loading.formats import exported as format_
from triggerfish.loading.guards.pytorch_archive import archive_root, open_archive
from triggerfish.loading.programs.steps import Ref
from triggerfish.structure import names
from triggerfish.structure.graph import Graph, Node
from triggerfish.structure.readers import aten
from triggerfish.structure.readers.builder import Builder, check_depth

PROGRAM = "models/model.json"
_COND = "torch.ops.higher_order.cond"
_KEYWORD = 2


def read_exported(path: Path) -> Graph:
    """The graph of a ``.pt2`` file; raises as the reader of the format."""
    with open_archive(path) as archive:
        root = archive_root(archive, PROGRAM)
        if root is None:
            raise UnsupportedModelError(
                "expected a program exported by PyTorch 2.8 or newer, got an older layout"
            )
        program = format_._json(archive, f"{root}{PROGRAM}")
        tensors = format_._tensors(archive, root)
    try:
        return graph_of(program, tensors)
    except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
        raise CheckpointError(
            f"expected a torch.export program, got one without {error}: the file is damaged"
        ) from error


def graph_of(program: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Graph:
    """The graph of a parsed program; ``tensors`` are its weights and constants by name."""
    module = program["graph_module"]
    graph, signature = module["graph"], module["signature"]
    builder, scope, inputs = Builder(), {}, []
    for spec in signature["input_specs"]:
        ((kind, value),) = spec.items()
        if kind == "user_input":
            if "as_tensor" in value["arg"]:
                inputs.append(value["arg"]["as_tensor"]["name"])
            continue
        key = next((str(v) for k, v in value.items() if k.endswith("_name")), "")
        if key in tensors:
            name = value["arg"]["name"]
            scope[name] = builder.constant(tensors[key], key).name
    outputs = [
        spec["user_output"]["arg"] for spec in signature["output_specs"] if "user_output" in spec
    ]
    if not inputs or not outputs or "as_tensor" not in outputs[0]:
        raise UnsupportedModelError("expected a program from an image batch to logits, got another")
    scope[inputs[0]] = inputs[0]
    _read(graph["nodes"], scope, builder, 0)
    sizes = graph["tensor_values"][inputs[0]]["sizes"]
    fixed = sizes[0].get("as_int") if sizes else None
    return Graph(
        format_.NAME,
        tuple(builder.nodes),
        builder.constants,
        inputs[0],
        builder.current(scope[outputs[0]["as_tensor"]["name"]]),
        format_._input_shape(sizes),
        batch=builder.batch(inputs[0], fixed),
        unread=tuple(dict.fromkeys(builder.unread)),
    )


def _read(nodes: list[Any], scope: dict[str, str], builder: Builder, depth: int) -> None:
    check_depth(depth)
    for node in nodes:
        target = str(node["target"])
        outputs = [n for value in node["outputs"] for n in format_._output_names(value)]
        if "_assert" in target or "_guards_fn" in target or not outputs:
            continue
        if target == _COND:
            _branch(node, outputs, scope, builder, depth)
            continue
        if "higher_order" in target:
            builder.unread.append(target)
        _step(node, target, outputs, scope, builder)


def _step(
    node: Mapping[str, Any],
    target: str,
    outputs: list[str],
    scope: dict[str, str],
    builder: Builder,
) -> None:
    positional: list[object] = []
    options: dict[str, object] = {}
    for item in node["inputs"]:
        training = item["name"] in ("train", "training")
        value = False if training else _resolved(_argument(item["arg"]), scope, builder)
        if item.get("kind") == _KEYWORD or options:
            options[str(item["name"])] = value
        else:
            positional.append(value)
    named = tuple(builder.fresh(n) for n in outputs)
    op, run, writes = target, None, False
    match target.split("."):
        case ["torch", "ops", "aten", name, overload]:
            writes = aten.is_in_place(name)
            op, run = names.of_aten(name), aten.run_of(name, overload)
        case ["_operator", name]:
            op, run = name, aten.PYTHON.get(name)
        case ["torch", "ops", "higher_order", *_]:
            op = names.UNREAD
        case ["torch", "ops", _, name, _]:
            op = names.of_aten(name)
    source = str(node.get("name") or outputs[0])
    builder.add(Node(op, source, tuple(positional), named, options, run, writes))
    scope.update(zip(outputs, named, strict=True))


def _argument(argument: Mapping[str, Any]) -> object:
    try:
        return format_._argument(argument)
    except UnsupportedModelError:
        return None  # a graph, or what only an operator that is not run understands


def _resolved(value: object, scope: Mapping[str, str], builder: Builder) -> object:
    if isinstance(value, Ref):
        if value.name not in scope:
            raise CheckpointError(f"expected nodes in order, got {value.name!r} before it is made")
        return Ref(builder.current(scope[value.name]))
    if isinstance(value, list):
        return [_resolved(item, scope, builder) for item in value]
    return value


def _branch(
    node: Mapping[str, Any], outputs: list[str], scope: dict[str, str], builder: Builder, depth: int
) -> None:
    arguments = [item["arg"] for item in node["inputs"]]
    condition = _resolved(_argument(arguments[0]), scope, builder)
    operands = [_resolved(v, scope, builder) for v in _operands(arguments[3:])]
    results = []
    for body in (arguments[1], arguments[2]):
        graph = body["as_graph"]["graph"]
        inner = {}
        for item, operand in zip(graph["inputs"], operands, strict=True):
            ((_, value),) = item.items()
            if isinstance(operand, Ref):
                inner[value["name"]] = operand.name
        _read(graph["nodes"], inner, builder, depth + 1)
        results.append(
            [
                _resolved(_argument(v), inner, builder)
                for output in graph["outputs"]
                for v in _items(output)
            ]
        )
    for name, first, second in zip(outputs, *results, strict=True):
        source = str(node.get("name") or name)
        scope[name] = builder.choose(source, condition, first, second, name)


def _operands(arguments: list[Any]) -> list[object]:
    found: list[object] = []
    for argument in arguments:
        value = _argument(argument)
        found += value if isinstance(value, list) else [value]
    return found


def _items(output: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if "as_tensors" in output:
        return [{"as_tensor": item} for item in output["as_tensors"]]
    return [output]
