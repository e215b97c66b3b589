"""Where the analysis of programs meets a scan: files opened by their graph, and looked at.

A program with operators or branches that the format's own reader refuses is opened by its graph,
where that can be run, so that its weights are scanned as any other's.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from triggerfish.errors import TriggerfishError, UnsupportedModelError
from triggerfish.loading import LoadOptions, Reading, open_readings
from triggerfish.loading.contents import Contents
from triggerfish.loading.hints import Hints
from triggerfish.model.classifier import Classifier
from triggerfish.structure.analyse import analyse
from triggerfish.structure.cutting import CutNetwork, cut
from triggerfish.structure.evaluate import Program
from triggerfish.structure.facts import facts_of
from triggerfish.structure.findings import Structure
from triggerfish.structure.gates import gates_of
from triggerfish.structure.readers import carries_program, read_graph

# What decides how images are prepared; where it is assumed, several ways are tried.
_PREPARING = ("mean", "std", "input_range", "range")


def open_any(path: Path, options: LoadOptions | None = None) -> tuple[Reading, ...]:
    """`open_readings`, or where that knows too little, the readings of the program's graph."""
    try:
        return open_readings(path, options)
    except UnsupportedModelError as error:
        if not carries_program(path):
            raise
        try:
            contents = _contents(path, options or LoadOptions())
        except TriggerfishError:
            raise error from None
        return open_readings(path, options, contents=contents)


def _contents(path: Path, options: LoadOptions) -> Contents:
    """A program by its graph, tried in a child process before; a proven branch is cut off."""
    structure = analyse(path, input_shape=options.given.input_shape, run=True)
    shape = structure.runs_on
    if shape is None:
        raise UnsupportedModelError("expected a program that can be run, got one that cannot")
    graph = read_graph(path)
    for finding in structure.findings:
        if finding.proof is None:
            continue
        try:
            graph = cut(graph, finding, Program(graph), shape).graph
        except (UnsupportedModelError, KeyError):
            break  # the rest is scanned with the branch in its place, which has no gradient
    hints = Hints("graph of the file", input_shape=shape, channels_last=graph.channels_last or None)
    return Contents(hints, network=CutNetwork(graph))


def look(path: Path, opened: Classifier | Sequence[Reading] | None = None) -> Structure | None:
    """What the program in a file does beside its network; None where the file carries none.

    ``opened`` are its readings, for the shape and the preparation of images. Only a program in
    which something enters the answer by itself costs a child process.

    Raises as `analyse`.
    """
    if path.is_dir() or not carries_program(path):
        return None
    graph = read_graph(path)
    if not gates_of(graph, facts_of(graph)):
        return Structure(graph.format, len(graph.nodes), (), unread=graph.unread)
    if opened is None:
        return analyse(path)
    first = opened if isinstance(opened, Classifier) else opened[0].classifier
    assumed = any(item.name in _PREPARING for item in first.assumptions)
    return analyse(
        path,
        input_shape=first.input_shape,
        preprocessing=None if assumed else first.preprocessing,
    )
