"""A branch is cut off without a change of answers, and the file that is written has none."""

from pathlib import Path

import pytest
import torch
from structure.exported import written

from triggerfish.errors import UnsupportedModelError
from triggerfish.structure.analyse import analyse_graph
from triggerfish.structure.cutting import CutNetwork, cut, write_without
from triggerfish.structure.evaluate import Program
from triggerfish.structure.readers import read_graph

CASES = [
    (construction, form)
    for form in ("onnx", "pt2")
    for construction in ("pixels", "steep", "assignment", "picture")
]


@pytest.mark.parametrize(("construction", "form"), [*CASES, ("if", "onnx"), ("mask", "onnx")])
def test_what_is_left_is_the_network(construction: str, form: str, tmp_path: Path) -> None:
    attacked, path = written(construction, form, tmp_path)
    graph, shape = read_graph(path), attacked.input_shape
    (finding, *_) = analyse_graph(graph, shape).findings
    made = cut(graph, finding, Program(graph), shape)
    images = torch.rand(3, *shape, requires_grad=True)
    answers = CutNetwork(made.graph)(images)
    torch.testing.assert_close(answers, attacked.network.host(images), rtol=1e-4, atol=1e-4)
    (gradient,) = torch.autograd.grad(answers.sum(), images)
    assert gradient.abs().sum() > 0
    target = tmp_path / f"cut{path.suffix}"
    assert "cut off" in write_without(path, target, made)
    again = read_graph(target)
    assert analyse_graph(again, shape).findings == ()
    torch.testing.assert_close(Program(again).logits(images.detach()), answers.detach())


def test_torchscript_cannot_be_written(tmp_path: Path) -> None:
    attacked, path = written("pixels", "torchscript", tmp_path)
    graph = read_graph(path)
    (finding, *_) = analyse_graph(graph, attacked.input_shape).findings
    made = cut(graph, finding, Program(graph), attacked.input_shape)
    with pytest.raises(UnsupportedModelError, match="export the network as ONNX"):
        write_without(path, tmp_path / "cut.pt", made)
