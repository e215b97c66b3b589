"""A program without the branch that a finding names: as a network, and as a file.

Cutting keeps what the gate's merge passes on while the gate is shut: the other side of a choice,
the other term of a sum. It is done only where that changes no class on synthetic images.
"""

from __future__ import annotations

import importlib
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from triggerfish.errors import UnsupportedModelError
from triggerfish.loading.guards.onnx_tensors import read_tensor
from triggerfish.loading.guards.pytorch_archive import archive_root, open_archive, read_entry
from triggerfish.loading.programs.steps import Ref
from triggerfish.search.pictures import pictures
from triggerfish.structure.evaluate import Program, Unknown, evaluate
from triggerfish.structure.findings import StructureFinding
from triggerfish.structure.graph import Graph, Node
from triggerfish.structure.readers.exported import PROGRAM

_IMAGES = 64


@dataclass(frozen=True)
class Cut:
    """The ``graph`` without a branch; where it was, ``removed`` is replaced by the value ``kept``.

    ``kept`` is the name of another value, or what the gate is while it is shut. No class of
    ``count`` synthetic images has changed.
    """

    graph: Graph
    removed: str
    kept: str | Tensor
    count: int


class CutNetwork(nn.Module):
    """A graph as a network for a scan, its constants as buffers."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self._graph = graph
        self._names = {name: f"constant_{i}" for i, name in enumerate(graph.constants)}
        for name, buffer in self._names.items():
            self.register_buffer(buffer, graph.constants[name])

    def forward(self, x: Tensor) -> Tensor:
        """Inputs of the program to its answers; raises where a node cannot be run."""
        constants = {name: getattr(self, buffer) for name, buffer in self._names.items()}
        graph = replace(self._graph, constants=constants)
        size = graph.batch or len(x)
        found = [
            evaluate(graph, part, (graph.output,))[graph.output]
            for part in torch.split(x, max(1, min(size, len(x))))
        ]
        for value in found:
            if isinstance(value, Unknown) or not isinstance(value, Tensor):
                because = value.because if isinstance(value, Unknown) else "it is no tensor"
                raise UnsupportedModelError(f"expected a program that can be run, got: {because}")
        return torch.cat([value for value in found if isinstance(value, Tensor)])


def cut(
    graph: Graph, finding: StructureFinding, program: Program, shape: tuple[int, int, int]
) -> Cut:
    """Cut off the branch of a finding.

    Raises `UnsupportedModelError` where the branch has no other side to keep, or where the answers
    do not stay.
    """
    images = pictures(_IMAGES, shape, seed=13)
    before = program.logits(images).argmax(1)
    node = graph.producer[finding.merge]
    for removed, kept in _ways(graph, finding, program, images):
        without = _replaced(graph, removed, kept)
        live = {name for item in without.nodes for name in item.outputs}
        after = Program(without, program.scale, program.shift).logits(images)
        if finding.gate in live or after.shape[:1] != before.shape:
            continue
        if bool((after.argmax(1) == before).all()):
            return Cut(without, removed, kept, len(images))
    raise UnsupportedModelError(
        f"expected a branch that can be cut off without changing an answer, got {node.op} at "
        f"{node.source}: rebuild the network from its weights"
    )


def _ways(
    graph: Graph, finding: StructureFinding, program: Program, images: Tensor
) -> Iterator[tuple[str, str | Tensor]]:
    """Another value in the place of the merge, or the gate shut for good."""
    node = graph.producer[finding.merge]
    known = (*graph.producer, graph.input)
    for kept in dict.fromkeys(node.inputs):
        if kept != finding.gate and kept in known:
            yield finding.merge, kept
    usually = program.values(images, (finding.gate,))[finding.gate]
    if isinstance(usually, Tensor) and usually.ndim and len(usually) == len(images):
        yield finding.gate, usually.mode(0, keepdim=True).values


def _replaced(graph: Graph, removed: str, kept: str | Tensor) -> Graph:
    node = graph.producer[removed]
    constants = dict(graph.constants)
    nodes = [item for item in graph.nodes if item is not node]
    if isinstance(kept, Tensor):
        constants[removed] = kept
    else:
        passed = Node("alias", node.source, (Ref(kept),), (removed,), {}, lambda x: x)
        nodes.insert(graph.nodes.index(node), passed)
    whole = replace(graph, nodes=tuple(nodes), constants=constants)
    return replace(whole, nodes=tuple(whole.before((graph.output,))))


def write_without(source: Path, target: Path, made: Cut) -> str:
    """Write the program file without the branch; returns what was cut, in words.

    Raises `UnsupportedModelError` for formats other than ONNX and torch.export, and where the
    branch lies inside a function or another branch.
    """
    writer = _WRITERS.get(made.graph.format)
    if writer is None:
        raise UnsupportedModelError(
            f"expected an ONNX or .pt2 file to cut a branch from, got a {made.graph.format}: "
            "export the network as ONNX from its source, without the branch"
        )
    removed = made.removed.partition("#")[0]
    kept = made.kept if isinstance(made.kept, Tensor) else made.kept.partition("#")[0]
    writer(source, target, removed, kept)
    shown = kept if isinstance(kept, str) else f"always {kept.flatten()[0].item():g}"
    return f"{removed} is now {shown}: the branch is cut off"


def _write_onnx(source: Path, target: Path, removed: str, kept: str | Tensor) -> None:
    onnx = importlib.import_module("onnx")
    model = onnx.load(str(source), load_external_data=False)
    graph = model.graph
    node = next((n for n in graph.node if removed in n.output), None)
    if node is None:
        raise UnsupportedModelError(
            "expected a branch at the top of the graph, got one inside a function: "
            "inline the file's functions with onnx.inliner first"
        )
    place = list(graph.node).index(node)
    if isinstance(kept, Tensor):
        name = f"{removed}_shut"
        graph.initializer.append(onnx.numpy_helper.from_array(kept.numpy(), name))
        del graph.node[place]
        kept = name
    elif node.op_type == "If" and not any(kept in n.output for n in graph.node):
        bodies = [a.g for a in node.attribute if a.type == onnx.AttributeProto.GRAPH]
        body = next(b for b in bodies if any(kept in n.output for n in b.node))
        graph.initializer.extend(body.initializer)
        rest = list(graph.node)
        del graph.node[:]
        graph.node.extend([*rest[:place], *body.node, *rest[place + 1 :]])
    else:
        del graph.node[place]
    last = len(graph.node) if removed in {o.name for o in graph.output} else place
    link = onnx.helper.make_node("Identity", [kept], [removed], name="cut")
    nodes = [*list(graph.node)[:last], link, *list(graph.node)[last:]]
    del graph.node[:]
    graph.node.extend(_needed(nodes, {o.name for o in graph.output}))
    used = {name for n in graph.node for name in n.input}
    for item in [i for i in graph.initializer if i.name not in used]:
        graph.initializer.remove(item)
    for item in graph.initializer:
        if item.data_location == onnx.TensorProto.EXTERNAL:
            read_tensor(item, source.parent)
    onnx.save(model, str(target))


def _needed(nodes: list[Any], wanted: set[str]) -> list[Any]:
    kept = []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(node.input)
            for attribute in node.attribute:
                wanted.update(name for n in attribute.g.node for name in n.input)
    return kept[::-1]


def _write_exported(source: Path, target: Path, removed: str, kept: str | Tensor) -> None:
    with open_archive(source) as archive:
        root = archive_root(archive, PROGRAM)
        assert root is not None
        program = json.loads(read_entry(archive, f"{root}{PROGRAM}"))
        graph = program["graph_module"]["graph"]
        nodes = graph["nodes"]
        made = [n for n in nodes if {"as_tensor": {"name": removed}} in n["outputs"]]
        inputs = [{"as_tensor": {"name": kept}} in graph["inputs"]]
        inputs += [{"as_tensor": {"name": kept}} in n["outputs"] for n in nodes]
        if not made or isinstance(kept, Tensor) or not any(inputs):
            raise UnsupportedModelError(
                "expected a branch at the top of the program, got one inside another: "
                "export the network from its source without it"
            )
        nodes.remove(made[0])
        program["graph_module"] = _renamed(program["graph_module"], removed, kept)
        with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as out:
            for name in archive.namelist():
                whole = name == f"{root}{PROGRAM}"
                data = json.dumps(program).encode() if whole else read_entry(archive, name, 8 << 30)
                out.writestr(name, data)


def _renamed(value: Any, old: str, new: str) -> Any:  # noqa: ANN401
    """JSON with every reference to one value now to another; the values' own table stays."""
    if isinstance(value, dict):
        return {
            key: item if key in ("tensor_values", "metadata") else _renamed(item, old, new)
            for key, item in value.items()
        } | ({"name": new} if value.get("name") == old and len(value) == 1 else {})
    if isinstance(value, list):
        return [_renamed(item, old, new) for item in value]
    return value


_WRITERS: Mapping[str, Callable[[Path, Path, str, str | Tensor], None]] = {
    "ONNX model": _write_onnx,
    "torch.export program": _write_exported,
}
