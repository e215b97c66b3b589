"""The way in: a path, or a module of one's own, -> its `Structure`.

A file's program is read and run in a child process with little memory and time and without
network; a module is the user's own code and is read here.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from triggerfish.codec.plain import plain_of
from triggerfish.codec.revive import revived
from triggerfish.codec.tensors import Shelf
from triggerfish.loading.guards.sandbox import in_child
from triggerfish.model.classifier import Preprocessing
from triggerfish.structure.evaluate import Program
from triggerfish.structure.examine import examine
from triggerfish.structure.findings import Structure, StructureFinding
from triggerfish.structure.graph import Graph
from triggerfish.structure.readers import carries_program, read_graph
from triggerfish.structure.readers.module import read_module

Shape = tuple[int, int, int]
# Where nobody says how images are prepared: [0, 1], bytes, [-1, 1], about normal.
PREPARED = (
    Preprocessing(),
    Preprocessing(input_range=(0.0, 255.0)),
    Preprocessing(mean=(0.5,), std=(0.5,)),
    Preprocessing(mean=(0.45,), std=(0.225,)),
)
_USUAL_SHAPES = ((3, 224, 224), (3, 32, 32), (1, 28, 28), (3, 64, 64), (3, 299, 299), (1, 32, 32))


def analyse(
    path: str | Path,
    *,
    input_shape: Shape | None = None,
    preprocessing: Preprocessing | None = None,
    run: bool = False,
) -> Structure:
    """What the program in a file does beside its learned network.

    ``input_shape`` (C, H, W) and ``preprocessing`` are what the caller knows; else what the file
    says, and the usual ones. A file that carries weights alone has no findings. ``run`` also tries
    the whole program, for ``runs_on``.

    Raises `CheckpointError`, `DangerousFileError` or `UnsupportedModelError` for a file whose
    program cannot be read.
    """
    path = Path(path)
    if not carries_program(path):
        return Structure("weights", 0, ())
    job = {
        "path": str(path.absolute()),
        "run": run,
        "input_shape": input_shape,
        "preprocessing": None if preprocessing is None else asdict(preprocessing),
    }
    answer = in_child("triggerfish.structure.child", job, "is read")
    return structure_from(answer["structure"])


def analyse_module(
    module: nn.Module, input_shape: Shape, preprocessing: Preprocessing | None = None
) -> Structure:
    """The same for a module of the user's own code; raises `UnsupportedModelError`."""
    return analyse_graph(read_module(module, input_shape), input_shape, preprocessing)


def analyse_file(
    path: Path, input_shape: Shape | None, preprocessing: Preprocessing | None, *, run: bool
) -> Structure:
    """What the child process does."""
    graph = read_graph(path)
    structure = analyse_graph(graph, input_shape, preprocessing)
    if not run:
        return structure
    shape = input_shape or graph.input_shape or _accepted(graph)
    runs = bool(len(Program(graph).logits(torch.rand(graph.batch or 2, *shape))))
    return replace(structure, runs_on=shape if runs else None)


def analyse_graph(
    graph: Graph, input_shape: Shape | None = None, preprocessing: Preprocessing | None = None
) -> Structure:
    """Examine a graph under the preprocessing that is known, else under the usual ones."""
    start = time.perf_counter()
    shape = input_shape or graph.input_shape or _accepted(graph)
    best: tuple[StructureFinding, ...] = ()
    unrun: tuple[str, ...] = ()
    for prepared in (preprocessing,) if preprocessing else PREPARED:
        scale, shift = prepared.affine(shape[0])
        findings, unrun, again = examine(graph, Program(graph, scale, shift), shape)
        if findings and (not best or any(f.proof for f in findings)):
            best = findings
        if not again or any(f.proof for f in best):
            break
    seconds = time.perf_counter() - start
    return Structure(graph.format, len(graph.nodes), best, unrun, graph.unread, seconds)


def _accepted(graph: Graph) -> Shape:
    """The first usual shape of images that a program without one takes."""
    for shape in _USUAL_SHAPES:
        images = torch.rand(graph.batch or 2, *shape)
        if len(Program(graph).logits(images)):
            return shape
    return _USUAL_SHAPES[0]


def structure_to(structure: Structure) -> dict[str, Any]:
    """A `Structure` as plain data, the tensors of its triggers with it."""
    shelf = Shelf()
    data = plain_of(structure, shelf)
    return {"structure": data, "tensors": {k: _packed(v) for k, v in shelf.tensors.items()}}


def structure_from(data: Mapping[str, Any]) -> Structure:
    """The `Structure` again. Raises `ValueError` for anything else: a hostile file ran there."""
    shelf = Shelf({name: _unpacked(tensor) for name, tensor in data["tensors"].items()})
    return revived(Structure, data["structure"], shelf)


def _packed(tensor: Tensor) -> dict[str, Any]:
    raw = tensor.float().contiguous().numpy().tobytes()
    return {"shape": list(tensor.shape), "float32": base64.b64encode(raw).decode()}


def _unpacked(data: Mapping[str, Any]) -> Tensor:
    raw = bytearray(base64.b64decode(data["float32"]))
    return torch.frombuffer(raw, dtype=torch.float32).reshape(data["shape"]).clone()
