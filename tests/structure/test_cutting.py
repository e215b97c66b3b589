"""A branch is cut off without a change of answers, and the file that is written has none."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from structure.exported import written

from triggerfish.errors import UnsupportedModelError
from triggerfish.search import seeds
from triggerfish.search.pictures import pictures
from triggerfish.structure.analyse import analyse_graph
from triggerfish.structure.cutting import GraphNetwork, cut, without_functions, write_without
from triggerfish.structure.evaluate import Program
from triggerfish.structure.readers import read_graph
from triggerfish.zoo.graphs import export
from triggerfish.zoo.graphs.constructions import Construction

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


class Bright(Construction):
    """A corner that many a synthetic image has by itself sends an image to the target."""

    level = 0.8

    def opened(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, :, 25:28, 25:28].mean((1, 2, 3)) > self.level

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.swap(self.opened(x), x)


class Usual(Bright):
    level = 0.3


def bright(kind: type[Bright], form: str, folder: Path) -> tuple[Bright, Path]:
    plain, path = written("mean", form, folder)
    network = kind(plain.network.host, plain.network.first, 3, 10).eval()
    export(replace(plain, network=network), form, path)
    return network, path


@pytest.mark.parametrize("form", ["onnx", "pt2"])
def test_images_that_open_the_gate_by_themselves_are_no_obstacle(form: str, tmp_path: Path) -> None:
    network, path = bright(Bright, form, tmp_path)
    graph, shape = read_graph(path), (1, 28, 28)
    assert 1 <= int(network.opened(pictures(64, shape, seed=13)).sum()) <= 16  # as cut draws them
    images = pictures(400, shape, seed=seeds.CHECK)
    (finding, *_) = analyse_graph(graph, shape).findings
    made = cut(graph, finding, Program(graph), shape)
    with torch.no_grad():
        expected = network.host(images)
    torch.testing.assert_close(Program(made.graph).logits(images), expected, rtol=1e-4, atol=1e-4)


def test_a_branch_for_every_other_image_is_not_cut_off(tmp_path: Path) -> None:
    """Too many images open it for a secret trigger: to cut it would make another network."""
    network, path = bright(Usual, "onnx", tmp_path)
    graph, shape = read_graph(path), (1, 28, 28)
    assert int(network.opened(pictures(400, shape, seed=seeds.CHECK)).sum()) > 100
    for finding in analyse_graph(graph, shape).findings:
        with pytest.raises(UnsupportedModelError, match="without changing other answers"):
            cut(graph, finding, Program(graph), shape)
