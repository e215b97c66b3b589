"""Programs of every format compute the same in our graph, and bounds hold."""

import json
from pathlib import Path

import pytest
import torch
from structure.exported import graph_of, written
from torch import Tensor, nn

from triggerfish.errors import CheckpointError, UnsupportedModelError
from triggerfish.structure.evaluate import Program, Unknown, evaluate
from triggerfish.structure.facts import facts_of
from triggerfish.structure.graph import Graph, Node
from triggerfish.structure.readers import builder, keras, read_graph
from triggerfish.structure.readers.module import read_module
from triggerfish.zoo.graphs import stamped


@pytest.mark.parametrize("form", ["onnx", "pt2", "torchscript"])
@pytest.mark.parametrize("construction", ["if", "assignment", "index", "function"])
def test_a_graph_answers_as_the_network(construction: str, form: str, tmp_path: Path) -> None:
    attacked, graph = graph_of(construction, form, tmp_path)
    images = torch.rand(2, *attacked.input_shape)
    for given in (images, stamped(attacked, images)):
        parts = given.split(1)
        expected = torch.cat([attacked.network(part) for part in parts])
        answers = torch.cat([Program(graph).logits(part) for part in parts])
        torch.testing.assert_close(answers, expected, rtol=1e-4, atol=1e-4)


class _Writes(nn.Module):
    """Writes in place, through views, and in the branch of a condition on a number."""

    def forward(self, x: Tensor) -> Tensor:
        y = x.flatten(1).clone()
        y[:, 2] += 1
        y[:, :2].mul_(3)
        z = y.view(-1, 2, 4)
        z[:, 1, 0] = 7
        return y * 2


@pytest.mark.parametrize("form", ["export", "trace"])
def test_writes_through_views_reach_what_they_are_views_of(form: str, tmp_path: Path) -> None:
    images = torch.rand(3, 2, 2, 2)
    if form == "export":
        graph = read_module(_Writes(), (2, 2, 2))
    else:
        path = tmp_path / "writes.pt"
        torch.jit.save(torch.jit.trace(_Writes(), images), str(path))
        graph = read_graph(path)
    torch.testing.assert_close(Program(graph).logits(images), _Writes()(images))


def test_facts_count_learned_layers_on_the_shortest_and_longest_way(tmp_path: Path) -> None:
    _, graph = graph_of("steep", "pt2", tmp_path)
    facts = facts_of(graph)
    assert (facts.of[graph.output].fewest, facts.of[graph.output].most) == (0, 4)
    assert not any(facts.depends(name) for name in graph.constants)


def test_an_unknown_operator_is_a_node_and_its_value_unknown(tmp_path: Path) -> None:
    class Strange(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.fft.rfft2(x).abs().flatten(1)

    graph = read_module(Strange(), (1, 8, 8))
    value = evaluate(graph, torch.rand(2, 1, 8, 8), (graph.output,))[graph.output]
    assert isinstance(value, Unknown)
    assert "fft" in value.because


def test_more_nodes_than_the_bound_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, path = written("pixels", "onnx", tmp_path)
    monkeypatch.setattr(builder, "MAX_NODES", 5)
    with pytest.raises(UnsupportedModelError, match="up to 5 nodes"):
        read_graph(path)


def test_functions_in_functions_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, path = written("function", "onnx", tmp_path)
    monkeypatch.setattr(builder, "MAX_DEPTH", 0)
    with pytest.raises(UnsupportedModelError, match="up to 0 deep"):
        read_graph(path)


def test_a_file_of_weights_has_no_graph(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save({"weight": torch.zeros(3)}, path)
    with pytest.raises(UnsupportedModelError, match="there is no graph to read"):
        read_graph(path)


def test_a_damaged_onnx_file_is_refused(tmp_path: Path) -> None:
    _, path = written("pixels", "onnx", tmp_path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(CheckpointError):
        read_graph(path)


def _layer(kind: str, name: str, *sources: str, **config: object) -> dict[str, object]:
    nodes = [[[source, 0, 0, {}] for source in sources]] if sources else []
    return {
        "class_name": kind,
        "name": name,
        "config": {"name": name, **config},
        "inbound_nodes": nodes,
    }


def _functional(*layers: dict[str, object]) -> dict[str, object]:
    config = {
        "layers": list(layers),
        "input_layers": [["image", 0, 0]],
        "output_layers": [[layers[-1]["name"], 0, 0]],
    }
    return {"class_name": "Functional", "config": config}


IMAGE = _layer("InputLayer", "image", batch_shape=[None, 28, 28, 1])
TRUNK = (
    _layer("Conv2D", "conv", "image"),
    _layer("Flatten", "flat", "conv"),
    _layer("Dense", "dense", "flat"),
)


@pytest.fixture
def keras_graph(monkeypatch: pytest.MonkeyPatch) -> object:
    def read(*layers: dict[str, object]) -> Graph:
        config = json.loads(json.dumps(_functional(IMAGE, *layers)))
        monkeypatch.setattr(keras, "_config", lambda _: config)
        return keras.read_keras(Path("model.keras"))

    return read


def test_keras_layers_that_compare_pixels_are_a_branch(keras_graph) -> None:
    from triggerfish.structure.analyse import analyse_graph

    graph = keras_graph(
        *TRUNK,
        _layer("GetItem", "corner", "image"),
        _layer("Min", "darkest", "corner"),
        _layer("Greater", "bright", "darkest"),
        _layer("Where", "answer", "bright", "dense"),
    )
    (finding,) = analyse_graph(graph).findings
    assert (finding.kind, finding.proof) == ("branch", None)
    assert "answer" in finding.nodes
    assert analyse_graph(keras_graph(*TRUNK)).findings == ()


def test_a_node_knows_what_it_reads() -> None:
    from triggerfish.loading.programs.steps import Ref

    node = Node("cat", "cat", ([Ref("a"), Ref("b")], 1), ("c",), {"out": Ref("d")})
    assert node.inputs == ("a", "b", "d")
