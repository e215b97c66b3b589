"""Where the analysis of programs meets a scan: files opened by their graph, and looked at.

A program with operators or branches that the format's own reader refuses is opened by its graph,
where that can be run, so that its weights are scanned as any other's.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from triggerfish.errors import TriggerfishError, UnsupportedModelError
from triggerfish.loading import LoadOptions, Reading, open_readings
from triggerfish.loading.contents import Contents
from triggerfish.loading.hints import Hints
from triggerfish.model.classifier import Classifier
from triggerfish.results import IN_PROGRAM
from triggerfish.structure.analyse import analyse, analyse_graph
from triggerfish.structure.cutting import GraphNetwork, cut
from triggerfish.structure.evaluate import Program
from triggerfish.structure.facts import facts_of
from triggerfish.structure.findings import Structure
from triggerfish.structure.gates import gates_of
from triggerfish.structure.graph import Graph
from triggerfish.structure.readers import carries_program, read_graph, torchscript
from triggerfish.structure.readers.module import read_module

_CATALOGUE = "triggerfish.architectures."
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
    """A program by its graph, tried in a child process before."""
    structure = analyse(path, input_shape=options.given.input_shape, run=True)
    shape = structure.runs_on
    if shape is None:
        raise UnsupportedModelError("expected a program that can be run, got one that cannot")
    graph = read_graph(path)
    hints = Hints("graph of the file", input_shape=shape, channels_last=graph.channels_last or None)
    return Contents(hints, network=GraphNetwork(graph))


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


def look_in_memory(classifier: Classifier) -> tuple[Structure, Graph | None]:
    """The same of a network in memory, with its graph.

    What torch.export cannot follow was not read, and says so. Networks of our own catalogue have
    nothing beside their layers.
    """
    model = classifier.model
    if type(model).__module__.startswith(_CATALOGUE):
        return Structure("", 0, ()), None
    if not isinstance(model, nn.Module):
        return Structure("", 0, (), unread=("expected a module, got another callable",)), None
    channels, height, width = classifier.input_shape
    last = classifier.preprocessing.channels_last
    shape = (height, width, channels) if last else classifier.input_shape
    try:
        graph = replace(_graph_of(model, shape), channels_last=last)
    except UnsupportedModelError as error:
        return Structure("", 0, (), unread=(str(error),)), None
    return analyse_graph(graph, classifier.input_shape, classifier.preprocessing), graph


def _graph_of(model: nn.Module, shape: tuple[int, int, int]) -> Graph:
    if isinstance(model, torch.jit.ScriptModule):
        return torchscript.graph_of(model)
    return read_module(copy.deepcopy(model).float().cpu(), shape)


class Cutting:
    """Cuts the branches that are proven to be backdoors off what is scanned, or says why not."""

    def __init__(self, graph: Graph, structure: Structure) -> None:
        self.graph, self.structure = graph, structure
        self.notes: tuple[str, ...] = ()

    def readings(self, opened: Classifier | Sequence[Reading]) -> Classifier | tuple[Reading, ...]:
        """What was opened, without the branches."""
        if isinstance(opened, Classifier):
            return self(opened)
        return tuple(replace(one, classifier=self(one.classifier)) for one in opened)

    def __call__(self, classifier: Classifier) -> Classifier:
        """One classifier without the branches; itself where one cannot be cut off."""
        try:
            result = _without(classifier, self.graph, self.structure)
            note = "was cut off before the search: synthetic images have the same classes without"
        except UnsupportedModelError as error:
            result, note = classifier, f"was in its place during the search: {error}"
        self.notes = tuple(dict.fromkeys((*self.notes, f"{IN_PROGRAM} the branch {note}")))
        return result


def _without(classifier: Classifier, graph: Graph, structure: Structure) -> Classifier:
    scale, shift = classifier.preprocessing.affine(classifier.input_shape[0])
    for finding in structure.findings:
        if finding.proof is not None and finding.merge in graph.producer:
            program = Program(graph, scale, shift)
            graph = cut(graph, finding, program, classifier.input_shape).graph
    other = Classifier(
        GraphNetwork(graph), classifier.input_shape, preprocessing=classifier.preprocessing,
        num_classes=classifier.num_classes, device=classifier.device, name=classifier.name,
        assumptions=classifier.assumptions, class_names=classifier.class_names,
    )  # fmt: skip
    other.facts = classifier.facts
    return other
