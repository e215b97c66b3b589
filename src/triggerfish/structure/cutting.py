"""A program without the branch that a finding names: as a network, and as a file.

Cutting keeps what the gate's merge passes on while the gate is shut: the other side of a choice,
the other term of a sum. It is done only where that changes no class on synthetic images. Those that
open the gate by themselves (a bright corner, say) do not count: the branch has answered for them.
"""

from __future__ import annotations

import importlib
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from triggerfish.errors import UnsupportedModelError, one_line
from triggerfish.loading.format import recognise
from triggerfish.loading.guards.onnx_file import read_tensor
from triggerfish.loading.programs.steps import Ref
from triggerfish.search.pictures import pictures
from triggerfish.structure.evaluate import Program, Unknown, evaluate
from triggerfish.structure.findings import StructureFinding
from triggerfish.structure.graph import Graph, Node

_IMAGES = 64
_EXAMPLES = 3  # images that a program is traced with
MOST_OPEN = 0.25
"""Of the images, those that may open the gate by themselves; more would be no secret trigger."""


@dataclass(frozen=True)
class Cut:
    """The ``graph`` without a branch; where it was, ``removed`` is replaced by the value ``kept``.

    ``kept`` is the name of another value, or what the gate is while it is shut. Of ``count``
    synthetic images none that leaves the gate shut has changed its class.
    """

    graph: Graph
    removed: str
    kept: str | Tensor
    count: int


class GraphNetwork(nn.Module):
    """A graph as a network for a scan, its constants as buffers with the file's names for them."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self._graph = replace(graph, constants={})
        self._names: dict[str, str] = {}
        for name, value in graph.constants.items():
            plain = re.sub(r"\W", "_", name.partition("#")[0]) or "constant"
            taken = hasattr(self, plain)
            self._names[name] = f"{plain}_{len(self._names)}" if taken else plain
            self.register_buffer(self._names[name], value)

    def forward(self, x: Tensor) -> Tensor:
        """Inputs of the program to its answers; raises where a node cannot be run."""
        size = self._graph.batch
        if size is None:
            return self._answers(x)
        return torch.cat([self._answers(part) for part in torch.split(x, min(size, len(x)))])

    def _answers(self, x: Tensor) -> Tensor:
        constants = {name: getattr(self, buffer) for name, buffer in self._names.items()}
        graph = replace(self._graph, constants=constants)
        value = evaluate(graph, x, (graph.output,))[graph.output]
        if not isinstance(value, Tensor):
            because = value.because if isinstance(value, Unknown) else "it is no tensor"
            raise UnsupportedModelError(f"expected a program that can be run, got: {because}")
        return value


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
    gate = program.values(images, (finding.gate,))[finding.gate]
    opened = _opened(gate, before, finding.target)
    for removed, kept in _ways(graph, finding, gate, images):
        without = _replaced(graph, removed, kept)
        live = {name for item in without.nodes for name in item.outputs}
        after = Program(without, program.scale, program.shift).logits(images)
        open_still = removed != finding.gate and finding.gate in live
        if open_still or after.shape[:1] != before.shape:
            continue
        if bool((after.argmax(1) == before)[~opened].all()):
            return Cut(_in_batches(without, program, images, after), removed, kept, len(images))
    raise UnsupportedModelError(
        f"the branch at {node.source} ({node.op}) cannot be cut off without changing other "
        "answers: rebuild the network from its weights"
    )


def _opened(gate: object, answers: Tensor, target: int | None) -> Tensor:
    """Which images (N,) open the gate by themselves, and get the target's class for it.

    None where they are too many, or where the gate has no usual value that tells.
    """
    none = torch.zeros(len(answers), dtype=torch.bool)
    if target is None or not isinstance(gate, Tensor) or not gate.ndim or len(gate) != len(none):
        return none
    rows = gate.reshape(len(gate), -1)
    opened = (rows != rows.mode(0).values).any(1) & (answers == target)
    return opened if float(opened.double().mean()) <= MOST_OPEN else none


def _in_batches(graph: Graph, program: Program, images: Tensor, answers: Tensor) -> Graph:
    """The graph for any number of images at once, where only the branch wanted them one by one."""
    free = replace(graph, batch=None)
    same = Program(free, program.scale, program.shift).logits(images)
    fits = same.shape == answers.shape and torch.allclose(same, answers, rtol=1e-4, atol=1e-4)
    return free if fits else graph


def _ways(
    graph: Graph, finding: StructureFinding, gate: object, images: Tensor
) -> Iterator[tuple[str, str | Tensor]]:
    """Another value in the place of the merge, or the gate shut for good."""
    node = graph.producer[finding.merge]
    known = (*graph.producer, graph.input)
    for kept in dict.fromkeys(node.inputs):
        if kept != finding.gate and kept in known:
            yield finding.merge, kept
    if isinstance(gate, Tensor) and gate.ndim and len(gate) == len(images):
        yield finding.gate, gate.mode(0, keepdim=True).values


def _replaced(graph: Graph, removed: str, kept: str | Tensor) -> Graph:
    node = graph.producer[removed]
    constants = dict(graph.constants)
    if isinstance(kept, Tensor):
        constants[f"{removed}_shut"] = kept
        given = (Ref(graph.input), Ref(f"{removed}_shut"))
        # One row for each image: of the image this takes no more than that.
        passed = Node("full", node.source, given, (removed,), {}, _shut)
    else:
        passed = Node("alias", node.source, (Ref(kept),), (removed,), {}, lambda x: x)
    nodes = [passed if item is node else item for item in graph.nodes]
    whole = replace(graph, nodes=tuple(nodes), constants=constants)
    return replace(whole, nodes=tuple(whole.before((graph.output,))))


def write_without(source: Path, target: Path, made: Cut, shape: tuple[int, int, int]) -> str:
    """Write the program file without the branch; returns what was cut, in words.

    Raises `UnsupportedModelError` for formats other than ONNX, torch.export and TorchScript, and
    where the branch of an ONNX file lies inside a function or another branch.
    """
    writer = _WRITERS.get(made.graph.format)
    if writer is None:
        raise UnsupportedModelError(
            "expected an ONNX, .pt2 or TorchScript file to cut a branch from, got a "
            f"{made.graph.format}: make the network again from its source, without the branch"
        )
    writer(source, target, made, shape)
    removed = made.removed.partition("#")[0]
    if isinstance(made.kept, Tensor):
        shown = f"always {made.kept.flatten()[0].item():g}"
    else:
        shown = made.kept.partition("#")[0]
    return f"{removed} is now {shown}"


def _shut(images: Tensor, value: Tensor) -> Tensor:
    """A value (1, ...) for each of the images: (N, ...)."""
    return value.expand(images.shape[0], *value.shape[1:])


def without_functions(source: Path, folder: Path) -> Path:
    """An ONNX file with its functions written out, in ``folder``; any other file as it is."""
    if recognise(source)[0].name != "ONNX model":
        return source
    onnx = importlib.import_module("onnx")
    model = onnx.load(str(source))
    if not model.functions:
        return source
    target = folder / f"inlined{source.suffix}"
    onnx.save(importlib.import_module("onnx.inliner").inline_local_functions(model), str(target))
    return target


def _write_onnx(source: Path, target: Path, made: Cut, _: tuple[int, int, int]) -> None:
    onnx = importlib.import_module("onnx")
    removed = made.removed.partition("#")[0]
    kept = made.kept if isinstance(made.kept, Tensor) else made.kept.partition("#")[0]
    model = onnx.load(str(source), load_external_data=False)
    graph = model.graph
    node = next((n for n in graph.node if removed in n.output), None)
    if node is None:
        raise UnsupportedModelError(
            "expected a branch at the top of the graph, got one inside another branch or a loop: "
            "export the network from its source without it"
        )
    place = list(graph.node).index(node)
    if isinstance(kept, Tensor):
        del graph.node[place]
        kept = _shut_onnx(onnx, graph, removed, kept, place)
        place = next(i for i, n in enumerate(graph.node) if kept in n.output) + 1
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


def _shut_onnx(onnx: Any, graph: Any, removed: str, value: Tensor, place: int) -> str:  # noqa: ANN401
    """`_shut` as nodes of an ONNX graph; the name of the result."""
    held = {item.name for item in graph.initializer}
    image = next(item.name for item in graph.input if item.name not in held)
    numbers = {
        "value": value.numpy(),
        "first": np.zeros(1, np.int64),
        "rest": np.array(value.shape[1:], np.int64),
    }
    named = {key: f"{removed}_shut_{key}" for key in (*numbers, "sizes", "count", "shape", "all")}
    for key, number in numbers.items():
        graph.initializer.append(onnx.numpy_helper.from_array(number, named[key]))
    for kind, given, output, more in (
        ("Shape", (image,), named["sizes"], {}),
        ("Gather", (named["sizes"], named["first"]), named["count"], {}),
        ("Concat", (named["count"], named["rest"]), named["shape"], {"axis": 0}),
        ("Expand", (named["value"], named["shape"]), named["all"], {}),
    ):
        graph.node.insert(place, onnx.helper.make_node(kind, given, [output], **more))
        place += 1
    return named["all"]


def _needed(nodes: list[Any], wanted: set[str]) -> list[Any]:
    kept = []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(node.input)
            for attribute in node.attribute:
                wanted.update(name for n in attribute.g.node for name in n.input)
    return kept[::-1]


def _write_exported(_: Path, target: Path, made: Cut, shape: tuple[int, int, int]) -> None:
    images = torch.rand(made.graph.batch or _EXAMPLES, *shape)
    any_number = {0: torch.export.Dim.AUTO} if made.graph.batch is None else None
    try:
        program = torch.export.export(
            GraphNetwork(made.graph), (images,), dynamic_shapes=(any_number,)
        )
    except Exception as error:  # torch.export raises anything
        raise UnsupportedModelError(
            f"expected a program that torch.export writes again, got: {one_line(error)}"
        ) from error
    torch.export.save(program, target)


def _write_torchscript(_: Path, target: Path, made: Cut, shape: tuple[int, int, int]) -> None:
    images = torch.rand(made.graph.batch or _EXAMPLES, *shape)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what the tracer takes for constant: checked after
        network = GraphNetwork(made.graph).eval()
        script = torch.jit.trace(network, images, check_trace=False)  # type: ignore[no-untyped-call]
    torch.jit.save(script, str(target))


_WRITERS: Mapping[str, Callable[[Path, Path, Cut, tuple[int, int, int]], None]] = {
    "ONNX model": _write_onnx,
    "torch.export program": _write_exported,
    "TorchScript program": _write_torchscript,
}
