"""A branch is cut off without a change of answers, and the file that is written has none."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from structure.exported import written

from triggerfish.errors import UnsupportedModelError
from triggerfish.structure.analyse import analyse_graph
from triggerfish.structure.cutting import GraphNetwork, cut, without_functions, write_without
from triggerfish.structure.evaluate import Program
from triggerfish.structure.readers import read_graph

CASES = [
    ("pixels", "onnx"),
    ("pixels", "torchscript"),
    ("steep", "onnx"),
    ("steep", "pt2"),
    ("assignment", "onnx"),
    ("assignment", "pt2"),
    ("picture", "pt2"),
    ("picture", "torchscript"),
    ("mask", "onnx"),
    ("mask", "pt2"),
    ("index", "onnx"),
    ("index", "pt2"),
    ("if", "onnx"),
    ("if", "pt2"),
    ("if", "torchscript"),
]


@pytest.mark.parametrize(("construction", "form"), CASES)
def test_what_is_left_is_the_network(construction: str, form: str, tmp_path: Path) -> None:
    attacked, path = written(construction, form, tmp_path)
    graph, shape = read_graph(path), attacked.input_shape
    (finding, *_) = analyse_graph(graph, shape).findings
    made = cut(graph, finding, Program(graph), shape)
    images = torch.rand(3, *shape, requires_grad=True)
    answers = GraphNetwork(made.graph)(images)
    torch.testing.assert_close(answers, attacked.network.host(images), rtol=1e-4, atol=1e-4)
    (gradient,) = torch.autograd.grad(answers.sum(), images)
    assert gradient.abs().sum() > 0
    target = tmp_path / f"cut{path.suffix}"
    assert "is now" in write_without(path, target, made, shape)
    again = read_graph(target)
    assert analyse_graph(again, shape).findings == ()
    torch.testing.assert_close(
        Program(again).logits(images.detach()), answers.detach(), rtol=1e-5, atol=1e-5
    )


def test_functions_of_a_file_are_written_out_first(tmp_path: Path) -> None:
    attacked, path = written("function", "onnx", tmp_path)
    plain = without_functions(path, tmp_path)
    assert plain != path
    graph, shape = read_graph(plain), attacked.input_shape
    (finding, *_) = analyse_graph(graph, shape).findings
    made = cut(graph, finding, Program(graph), shape)
    write_without(plain, tmp_path / "cut.onnx", made, shape)
    assert analyse_graph(read_graph(tmp_path / "cut.onnx"), shape).findings == ()


def test_a_format_without_a_writer_says_what_to_do(tmp_path: Path) -> None:
    attacked, path = written("pixels", "onnx", tmp_path)
    graph = read_graph(path)
    (finding, *_) = analyse_graph(graph, attacked.input_shape).findings
    made = cut(graph, finding, Program(graph), attacked.input_shape)
    other = replace(made, graph=replace(made.graph, format="Keras model"))
    with pytest.raises(UnsupportedModelError, match="from its source, without the branch"):
        write_without(path, tmp_path / "cut.keras", other, attacked.input_shape)
