"""What the suite does not ask: other opsets' notations, and nodes that must be refused."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from triggerfish.errors import CheckpointError, UnsupportedModelError
from triggerfish.loading.format import begins_as_onnx
from triggerfish.loading.formats import onnx as onnx_format
from triggerfish.loading.formats.onnx import read_steps
from triggerfish.loading.hints import Hints, LoadOptions
from triggerfish.loading.load import open_readings
from triggerfish.loading.programs.graph_network import GraphNetwork
from triggerfish.loading.programs.onnx_operators import OPERATORS
from triggerfish.model.classifier import Classifier


def network(nodes: list[onnx.NodeProto], opset: int = 17, **constants: np.ndarray) -> GraphNetwork:
    """Nodes from ``x`` to ``y`` as a network."""
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "g", [], [], tensors)
    held, steps = read_steps(graph, Path(), opset)
    return GraphNetwork("x", held, steps, "y")


def node(kind: str, *inputs: str, outputs: tuple[str, ...] = ("y",), **more) -> onnx.NodeProto:
    return helper.make_node(kind, inputs or ["x"], outputs, **more)


def read(model: onnx.ModelProto, folder: Path) -> torch.nn.Module | None:
    path = folder / "m.onnx"
    path.write_bytes(model.SerializeToString())
    return onnx_format.read(path, path.read_bytes()[:4096], LoadOptions()).network


def classifier(nodes: list[onnx.NodeProto], *opsets: int) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, 2, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4])],
    )
    imports = [helper.make_opsetid("", opset) for opset in opsets]
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


@pytest.mark.parametrize("kind", OPERATORS)
def test_no_operator_ignores_an_attribute_or_an_input(kind: str) -> None:
    fewest, most = OPERATORS[kind].inputs
    names = [f"x{i}" for i in range(fewest)]
    with pytest.raises(UnsupportedModelError, match="the attribute surprise"):
        network([node(kind, *names, surprise=1)])
    if most < 10:
        with pytest.raises(UnsupportedModelError, match=f"{most + 1} inputs"):
            network([node(kind, *["x"] * (most + 1))])
    with pytest.raises(UnsupportedModelError, match="inputs"):
        network([node(kind, "")])
    if OPERATORS[kind].outputs < 10:
        with pytest.raises(UnsupportedModelError, match="4 outputs"):
            network([node(kind, *names, outputs=("y", "a", "b", "c"))])


def test_an_attribute_of_another_type_or_value_is_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="alpha as STRING"):
        network([node("LeakyRelu", alpha="0.1")])
    norm = node("BatchNormalization", "x", "s", "b", "m", "v", spatial=0)
    with pytest.raises(UnsupportedModelError, match="spatial = 0"):
        network([norm], opset=7)
    twice = node("Elu", alpha=1.0)
    twice.attribute.add(name="alpha", type=onnx.AttributeProto.FLOAT, f=2.0)
    with pytest.raises(UnsupportedModelError, match="another alpha"):
        network([twice])


def test_an_unused_mask_is_no_matter_but_a_used_one_is() -> None:
    both = node("Dropout", outputs=("y", "mask"))
    x = torch.rand(2, 3)
    torch.testing.assert_close(network([both])(x), x)
    hidden = node("Dropout", outputs=("z", "mask"))
    with pytest.raises(UnsupportedModelError, match="unknown 'mask'"):
        network([hidden, node("Mul", "z", "mask")])


def test_a_value_that_is_computed_twice_is_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="'y' again"):
        network([node("Relu"), node("Neg")])
    constant = helper.make_node("Constant", [], ["w"], value_float=1.0)
    with pytest.raises(UnsupportedModelError, match="distinct names"):
        network([constant, node("Mul", "x", "w")], w=np.ones(1, np.float32))


def test_constants_are_dense() -> None:
    text = helper.make_node("Constant", [], ["w"], value_string="x")
    with pytest.raises(UnsupportedModelError, match="value_string"):
        network([text, node("Mul", "x", "w")])


def test_before_opset_13_softmax_joins_the_axes() -> None:
    x = torch.rand(2, 3, 4)
    joined = x.flatten(1).softmax(1).view(2, 3, 4)
    torch.testing.assert_close(network([node("Softmax")], opset=11)(x), joined)
    torch.testing.assert_close(network([node("Softmax")], opset=13)(x), x.softmax(2))


def test_axes_and_bounds_come_as_attributes_in_old_opsets() -> None:
    x = torch.rand(2, 3, 4) - 0.5
    old = {
        "ReduceMean": ({"axes": [1], "keepdims": 0}, x.mean(1)),
        "Clip": ({"min": 0.0}, x.clamp(0)),
        "Unsqueeze": ({"axes": [0]}, x[None]),
        "Slice": ({"axes": [2], "starts": [1], "ends": [-1]}, x[:, :, 1:-1]),
        "Pad": (
            {"pads": [0, 0, 1, 0, 0, 2], "value": 3.0},
            torch.nn.functional.pad(x, (1, 2), value=3),
        ),
    }
    for kind, (attributes, expected) in old.items():
        torch.testing.assert_close(network([node(kind, **attributes)], opset=9)(x), expected)


def test_opset_6_trains_unless_it_says_otherwise() -> None:
    with pytest.raises(UnsupportedModelError, match="no is_test"):
        network([node("Dropout")], opset=6)(torch.rand(2, 3))
    x = torch.rand(2, 3)
    torch.testing.assert_close(network([node("Dropout", is_test=1)], opset=6)(x), x)


def test_only_a_softmax_over_classes_is_a_head(tmp_path: Path) -> None:
    x = torch.rand(3, 1, 2, 2)
    for axis, expected in ((1, x.flatten(1)), (0, x.flatten(1).softmax(0))):
        nodes = [node("Flatten", outputs=("a",)), node("Softmax", "a", axis=axis)]
        found = read(classifier(nodes, 17), tmp_path)
        assert found is not None
        torch.testing.assert_close(found(x), expected)


@pytest.mark.parametrize("opsets", [(), (5,), (99,), (13, 17)])
def test_an_unknown_or_ambiguous_opset_is_refused(opsets: tuple[int, ...], tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match="one ONNX opset"):
        read(classifier([node("Flatten")], *opsets), tmp_path)


def test_a_wrong_kernel_shape_is_refused() -> None:
    weight = np.ones((1, 1, 3, 3), np.float32)
    conv = network([node("Conv", "x", "w", kernel_shape=[1, 1])], w=weight)
    with pytest.raises(UnsupportedModelError, match="kernel_shape"):
        conv(torch.rand(1, 1, 5, 5))


def test_a_tensor_that_is_not_there_is_refused(tmp_path: Path) -> None:
    model = classifier([node("Flatten")], 17)
    model.graph.initializer.add(name="w", data_type=TensorProto.FLOAT, dims=[1 << 40])
    with pytest.raises(CheckpointError, match="expected 1099511627776 values"):
        read(model, tmp_path)


def test_a_norm_over_neighbouring_channels_does_not_see_the_batch() -> None:
    """The specification's formula, with other numbers of images and channels."""
    x, size = torch.rand(2, 5, 3, 3), 3
    y = network([node("LRN", size=size, alpha=0.3, beta=0.7, bias=1.5)])(x)
    for c in range(5):
        low, high = max(0, c - (size - 1) // 2), min(4, c + size // 2)
        sums = x[:, low : high + 1].square().sum(1)
        torch.testing.assert_close(y[:, c], x[:, c] / (1.5 + 0.3 / size * sums) ** 0.7)


def test_the_slope_passes_a_rounding() -> None:
    nodes = [
        node("QuantizeLinear", "x", "s", "z", outputs=("q",)),
        node("DequantizeLinear", "q", "s", "z"),
    ]
    held = {"s": np.array(0.1, np.float32), "z": np.array(128, np.uint8)}
    x = torch.tensor([-20.0, -0.33, 0.0, 0.26, 20.0], requires_grad=True)
    y = network(nodes, opset=13, **held)(x)
    torch.testing.assert_close(y, torch.tensor([-12.8, -0.3, 0.0, 0.3, 12.7]))
    y.sum().backward()
    torch.testing.assert_close(x.grad, torch.tensor([0.0, 1.0, 1.0, 1.0, 0.0]))


def test_weights_of_eight_bits_by_channel() -> None:
    weight = np.arange(-6, 6, dtype=np.int8).reshape(3, 4)
    scale, zero = np.array([0.1, 0.2, 0.3], np.float32), np.array([0, 1, -1], np.int8)
    nodes = [
        node("DequantizeLinear", "w", "s", "z", outputs=("f",), axis=0),
        node("Gemm", "x", "f", transB=1),
    ]
    x = torch.rand(2, 4)
    shifted = torch.tensor(weight).float() - torch.tensor(zero)[:, None]
    real = shifted * torch.tensor(scale)[:, None]
    found = network(nodes, opset=13, w=weight, s=scale, z=zero)
    torch.testing.assert_close(found(x), x @ real.T)


def test_a_kernel_of_three_dimensions_is_no_obstacle(tmp_path: Path) -> None:
    nodes = [
        node("Mul", "x", "w", outputs=("a",)),
        node("ReduceMax", "a", outputs=("b",), axes=[0], keepdims=0),
        node("Flatten", "b"),
    ]
    model = classifier(nodes, 17)
    tensor = numpy_helper.from_array(np.ones((1, 1, 1, 2, 2), np.float32), "w")
    model.graph.initializer.append(tensor)
    found = read(model, tmp_path)
    assert found is not None
    x = torch.rand(3, 1, 2, 2)
    answers = Classifier(found, (1, 2, 2)).raw_output(x)
    torch.testing.assert_close(answers.float(), x.flatten(1))


@pytest.mark.parametrize("sizes", [["n", "h", "w", 3], ["n", 20, 20, 3], [None, None, None, 3]])
def test_images_with_their_channels_last(sizes: list, tmp_path: Path) -> None:
    torch.manual_seed(1)
    weight = torch.randn(4, 3, 3, 3)
    nodes = [
        node("Transpose", outputs=("a",), perm=[0, 3, 1, 2]),
        node("Conv", "a", "w", outputs=("b",)),
        node("GlobalAveragePool", "b", outputs=("c",)),
        node("Flatten", "c"),
    ]
    model = classifier(nodes, 17)
    model.graph.initializer.append(numpy_helper.from_array(weight.numpy(), "w"))
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("x", TensorProto.FLOAT, sizes))
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    shape = None if "h" in sizes or None in sizes else (3, 20, 20)
    for given in ((3, 20, 20), None):
        options = LoadOptions(Hints("options", input_shape=given))
        found = open_readings(tmp_path / "m.onnx", options, confined=True)[0].classifier
        assert found.preprocessing.channels_last
        assert found.input_shape == (given or shape or found.input_shape)
        assert found.input_shape[0] == 3
        x = torch.rand(2, *found.input_shape)
        raw = torch.nn.functional.conv2d(found.prepared(x).permute(0, 3, 1, 2), weight)
        torch.testing.assert_close(found.logits(x), raw.mean((2, 3)), atol=1e-5, rtol=1e-4)


def test_whole_bytes_are_a_fact_about_the_range(tmp_path: Path) -> None:
    model = classifier([node("Cast", outputs=("a",), to=1), node("Flatten", "a")], 17)
    size = helper.make_tensor_value_info("x", TensorProto.UINT8, ["n", 1, 2, 2])
    model.graph.input[0].CopyFrom(size)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    (reading,) = open_readings(tmp_path / "m.onnx", confined=True)
    assert reading.classifier.preprocessing.input_range == (0.0, 255.0)


def test_other_protocol_buffers_are_not_taken_for_onnx() -> None:
    """Core ML and SavedModel begin with a version and a message, as ONNX does with a text."""
    core_ml = b"\x08\x05\x12\x60\x0a\x10\x0a\x05image\x1a\x07\x22" + b"\x01" * 200 + b"\x3a\x02ab"
    saved_model = b"\x08\x01\x12\xb0\x05\x0a\x10" + b"x" * 800
    model = classifier([node("Flatten")], 17)
    model.producer_name, model.model_version = "tests", 1 << 20
    real = model.SerializeToString()
    for data, expected in ((core_ml, False), (saved_model, False), (real, True)):
        assert begins_as_onnx(data[:4096]) == expected
