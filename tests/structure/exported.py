"""Networks written as program files, for tests."""

from pathlib import Path

from triggerfish.structure.graph import Graph
from triggerfish.structure.readers import read_graph
from triggerfish.zoo.graphs import Attacked, build, export
from triggerfish.zoo.graphs.exporting import SUFFIXES


def written(construction: str, form: str, folder: Path, target: int = 3) -> tuple[Attacked, Path]:
    """The published CNN with a construction, and the file that it was written to."""
    path = folder / f"{construction}{SUFFIXES[form]}"
    export(build(construction, "cnn", target, seed=2), form, path)
    return build(construction, "cnn", target, seed=2), path


def graph_of(construction: str, form: str, folder: Path) -> tuple[Attacked, Graph]:
    attacked, path = written(construction, form, folder)
    return attacked, read_graph(path)
