"""TensorFlow Lite: every operator as the LiteRT runtime answers, quantised weights, refusals."""

from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("tflite")

from tflite_cases import SHAPE, STORED, cases, f, image, one
from tflite_files import Op, T, tflite_file

from triggerfish.errors import CheckpointError, UnsupportedModelError
from triggerfish.loading import Hints, LoadOptions, open_model
from triggerfish.loading.contents import Contents
from triggerfish.loading.format import recognise

CASES = cases()
GIVEN = LoadOptions(Hints("options", mean=(0.0,), std=(1.0,), input_range=(0.0, 1.0)))


def read(path: Path, data: bytes) -> Contents:
    path.write_bytes(data)
    kind, head = recognise(path)
    return kind.read(path, head, LoadOptions())


@pytest.mark.parametrize("name", CASES)
def test_operators_are_the_runtime_s(name: str, tmp_path: Path) -> None:
    contents = read(tmp_path / "m.tflite", CASES[name])
    images = torch.from_numpy(np.concatenate([image(0), image(1)]))
    assert contents.network is not None
    found = contents.network(images)
    if name == "LOGISTIC":  # heads are taken off
        found = torch.sigmoid(found)
    elif name == "LOG_SOFTMAX":
        found = torch.log_softmax(found, -1)
    expected = torch.from_numpy(np.load(STORED)[name])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=2e-5)


def network(head: str | None = "SOFTMAX", **image_type: object) -> bytes:
    """Convolution, mean, dense layer; one scale for all weights, or one for each channel."""
    rng = np.random.default_rng(3)
    kernel = rng.integers(-127, 128, (5, 3, 3, 3)).astype(np.int8)
    weight = rng.integers(0, 256, (4, 5)).astype(np.uint8)
    tensors = [
        T((1, 8, 8, 3), **image_type),
        T(kernel, scale=[0.01, 0.02, 0.03, 0.04, 0.05], axis=0),
        T(rng.integers(-99, 99, 5).astype(np.int32), scale=[0.001] * 5),
        T((1, 8, 8, 5)),
        T(np.array([1, 2], np.int32)),
        T((1, 5)),
        T(weight, scale=[0.02], zero=[128]),
        T((1, 4)),
        T((1, 4)),
    ]
    options = {"StrideH": 1, "StrideW": 1, "Padding": 0, "FusedActivationFunction": 1}
    operators = [
        Op("CONV_2D", [0, 1, 2], [3], "Conv2DOptions", options),
        Op("MEAN", [3, 4], [5], "ReducerOptions", {"KeepDims": False}),
        Op("FULLY_CONNECTED", [5, 6, -1], [7], "FullyConnectedOptions", {}),
    ]
    if head:
        operators.append(Op(head, [7], [8], "SoftmaxOptions", {"Beta": 1.0}))
    return tflite_file(tensors, operators, [0], [8 if head else 7])


def by_hand(images: torch.Tensor) -> torch.Tensor:
    rng = np.random.default_rng(3)
    kernel = torch.tensor(rng.integers(-127, 128, (5, 3, 3, 3))).permute(0, 3, 1, 2).float()
    weight = torch.tensor(rng.integers(0, 256, (4, 5))).float()
    bias = torch.tensor(rng.integers(-99, 99, 5)) * 0.001
    scales = torch.tensor([0.01, 0.02, 0.03, 0.04, 0.05])
    x = torch.nn.functional.conv2d(images, kernel * scales.view(-1, 1, 1, 1), bias, padding=1)
    return x.relu().mean((2, 3)) @ ((weight - 128) * 0.02).T


@pytest.mark.parametrize("head", ["SOFTMAX", None])
def test_weights_are_dequantised_and_the_head_taken_off(head: str | None, tmp_path: Path) -> None:
    (tmp_path / "m.bin").write_bytes(network(head))
    classifier = open_model(tmp_path / "m.bin", GIVEN).classifier
    images = torch.rand(5, 3, 8, 8)
    assert classifier.input_shape == (3, 8, 8)
    assert classifier.output == "logits"
    expected = by_hand(images)
    torch.testing.assert_close(classifier.logits(images), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("image_type", "span"),
    [
        ({"dtype": np.uint8, "scale": [1 / 255], "zero": [0]}, (0.0, 1.0)),
        ({"dtype": np.int8, "scale": [1 / 127.5], "zero": [-1]}, (-1.0, 1.0)),
        ({"dtype": np.uint8}, (0.0, 255.0)),
        ({"dtype": np.uint8, "scale": [0.0187], "zero": [114]}, None),  # of normalised pictures
        ({}, None),
    ],
)
def test_whole_numbers_as_input_say_the_range(
    image_type: dict[str, object], span: tuple[float, float] | None, tmp_path: Path
) -> None:
    assert read(tmp_path / "m.tflite", network(None, **image_type)).hints.input_range == span


def test_activations_stay_within_what_their_integers_hold(tmp_path: Path) -> None:
    tensors = [
        T((1, 4, 4, 1)),
        T(np.ones(1, np.float32)),
        T((1, 4, 4, 1), scale=[0.1], zero=[-128], dtype=np.int8),
    ]
    op = Op("ADD", [0, 1], [2], "AddOptions", {})
    found = read(tmp_path / "m.tflite", tflite_file(tensors, [op], [0], [2])).network
    assert found is not None
    x = torch.tensor([-9.0, -1.0, 2.0, 99.0]).view(4, 1, 1, 1)
    torch.testing.assert_close(found(x).flatten(), torch.tensor([0.0, 0.0, 3.0, 25.5]))


def half() -> bytes:
    """float16 weights, which a DEQUANTIZE turns into float32."""
    kernel = T(f(2, 1, 1, 4).astype(np.float16))
    tensors = [T(SHAPE), kernel, T((2, 1, 1, 4)), T((1, 7, 6, 2))]
    options = {"StrideH": 1, "StrideW": 1, "Padding": 0}
    operators = [
        Op("DEQUANTIZE", [1], [2]),
        Op("CONV_2D", [0, 2, -1], [3], "Conv2DOptions", options),
    ]
    return tflite_file(tensors, operators, [0], [3])


def test_weights_of_half_precision(tmp_path: Path) -> None:
    contents = read(tmp_path / "m.tflite", half())
    assert contents.network is not None
    assert contents.network(torch.zeros(3, 7, 6, 4)).shape == (3, 7, 6, 2)


REFUSED = {
    "ARG_MAX": (one("ARG_MAX", (1, 7, 6), np.int32(3).reshape(())), "got ARG_MAX"),
    "two outputs": (
        tflite_file([T(SHAPE), T(SHAPE)], [Op("ABS", [0], [1])], [0], [1, 0]),
        "got 1 and 2",
    ),
    "the batch": (one("MEAN", (7, 6, 4), np.array([0], np.int32), kind="ReducerOptions"), "axis 0"),
    "an activation": (
        one("ADD", SHAPE, f(4), kind="AddOptions", FusedActivationFunction=5),
        "fused activation",
    ),
    "a kernel that is computed": (
        tflite_file(
            [T(SHAPE), T((5, 1, 1, 4)), T(SHAPE)], [Op("CONV_2D", [0, 1], [2])], [0, 1], [2]
        ),
        "got 2 and 1",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_understood_is_refused(name: str, tmp_path: Path) -> None:
    data, words = REFUSED[name]
    (tmp_path / "m.tflite").write_bytes(data)
    with pytest.raises((UnsupportedModelError, CheckpointError), match=words):
        open_model(tmp_path / "m.tflite", GIVEN)


def test_damaged_files_end_in_one_line(tmp_path: Path) -> None:
    data = bytearray(network())
    rng = np.random.default_rng(0)
    for trial in range(60):
        broken = bytearray(data[: len(data) - 7 * trial])
        for place in rng.integers(8, len(broken), 4):
            broken[place] ^= int(rng.integers(1, 256))
        try:
            read(tmp_path / "m.tflite", bytes(broken))
        except (CheckpointError, UnsupportedModelError) as error:
            assert "\n" not in str(error)  # noqa: PT017
