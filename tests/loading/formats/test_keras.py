"""Keras files: what Keras answers, and everything that is not understood refused."""

import copy
import json
import weakref
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from corpus.valid import keras_archive, keras_config, write_keras
from torch import nn

from triggerfish.errors import CheckpointError, DangerousFileError, UnsupportedModelError
from triggerfish.loading import Hints, LoadOptions, open_model
from triggerfish.loading.format import recognise
from triggerfish.loading.programs.keras_activations import activation
from triggerfish.loading.programs.keras_layers import LAYERS
from triggerfish.loading.programs.keras_network import KerasNetwork
from triggerfish.loading.programs.keras_wires import Wires

DATA = Path(__file__).parents[1] / "data"


def read(path: Path):
    return open_model(path, confined=True)


def in_a_model(layer: dict, folder: Path) -> Path:
    """A sequential model of one more layer before the last."""
    config = copy.deepcopy(keras_config())
    config["config"]["layers"].insert(2, layer)
    write_keras(folder / "m.h5", json.dumps(config)).close()
    return folder / "m.h5"


SOFTMAX = ("keras_nested.keras", "keras_operations.keras", "keras_operations.h5")
BFLOAT16 = "keras_bfloat16.keras"
EXAMPLES = ("keras_layers.keras", "keras_norms.keras", *SOFTMAX, BFLOAT16)


@pytest.mark.parametrize("name", EXAMPLES)
def test_archives_by_keras_itself(name: str) -> None:
    """Written by Keras 3.15 (see the test data's README)."""
    loaded = read(DATA / name)
    example = torch.load((DATA / name).with_suffix(".example"), weights_only=True)
    logits = loaded.classifier.logits(example["images"])
    answers = logits.softmax(1) if name in SOFTMAX else logits
    exact = 2e-2 if name == BFLOAT16 else 1e-4  # Keras calculated in eight bits
    torch.testing.assert_close(answers, example["answers"], atol=exact / 10, rtol=exact)
    assert loaded.classifier.output == "logits"


def test_a_rescaling_layer_says_what_the_pictures_are() -> None:
    """1/127.5 is made for bytes; Keras's answers above were to bytes."""
    loaded = read(DATA / "keras_nested.keras")
    assert loaded.classifier.preprocessing.input_range == (0.0, 255.0)
    assert loaded.settings.origin("mean") == "Keras archive (its config)"


@pytest.mark.parametrize("name", ["keras_operations.keras", "keras_operations.h5"])
def test_a_division_by_255_says_so_too_and_a_scaled_branch_does_not(name: str) -> None:
    """The model divides its pictures by 255, and has a Rescaling by 0.05 on a branch inside."""
    assert read(DATA / name).classifier.preprocessing.input_range == (0.0, 255.0)


def rescaled(place: int) -> dict:
    config = copy.deepcopy(keras_config())
    small = {"class_name": "Rescaling", "config": {"name": "r", "scale": 0.01, "offset": 0.0}}
    config["config"]["layers"].insert(place, small)
    return config


@pytest.mark.parametrize(("place", "span"), [(1, (0.0, 255.0)), (2, None)])
def test_only_a_rescaling_at_the_input_is_about_pictures(
    place: int, span: tuple[float, float] | None, tmp_path: Path
) -> None:
    write_keras(tmp_path / "m.h5", json.dumps(rescaled(place))).close()
    found = recognise(tmp_path / "m.h5")[0].read(tmp_path / "m.h5", b"", LoadOptions())
    assert found.hints.input_range == span


def test_a_hard_sigmoid_is_that_of_the_keras_that_wrote_it() -> None:
    x = torch.linspace(-4, 4, 9)
    old = activation({"activation": "hard_sigmoid", "dtype": "float32"})(x)
    new = activation({"activation": "hard_sigmoid", "dtype": {"class_name": "DTypePolicy"}})(x)
    torch.testing.assert_close(old, (0.2 * x + 0.5).clamp(0, 1))
    torch.testing.assert_close(new, (x + 3).clamp(0, 6) / 6)


@pytest.mark.parametrize("kind", LAYERS)
def test_no_layer_ignores_an_option(kind: str) -> None:
    with pytest.raises(UnsupportedModelError, match=f"layer {kind} .*surprise"):
        LAYERS[kind].check(kind, {"name": "x", "surprise": 1})
    with pytest.raises(UnsupportedModelError, match="channels_first"):
        LAYERS[kind].check(kind, {"data_format": "channels_first"})


def test_weights_must_be_those_of_the_config() -> None:
    dense = LAYERS["Dense"]
    kernel, bias = torch.ones(2, 3), torch.ones(3)
    with pytest.raises(CheckpointError, match="weights 'bias'"):
        dense.make({"name": "d"}, {"kernel": kernel})
    with pytest.raises(CheckpointError, match="no more weights"):
        dense.make({"name": "d", "use_bias": False}, {"kernel": kernel, "bias": bias})
    with pytest.raises(CheckpointError, match="floating-point"):
        dense.make({"name": "d", "use_bias": False}, {"kernel": kernel.int()})
    with pytest.raises(CheckpointError, match="5 units"):
        dense.make({"units": 5}, {"kernel": kernel, "bias": bias})


def test_relu_has_a_threshold_and_a_slope_below() -> None:
    """keras.layers.ReLU: max_value above it, negative_slope * (x - threshold) below threshold."""
    config = {"max_value": 4.0, "negative_slope": 0.5, "threshold": 1.0}
    relu = LAYERS["ReLU"].make(config, {})
    x = torch.tensor([-1.0, 0.0, 1.0, 2.0, 9.0])
    torch.testing.assert_close(relu(x), torch.tensor([-1.0, -0.5, 1.0, 2.0, 4.0]))


def test_dense_works_on_the_last_axis_of_pictures() -> None:
    kernel, bias = torch.rand(3, 5), torch.rand(5)
    dense = LAYERS["Dense"].make({"name": "d"}, {"kernel": kernel, "bias": bias})
    x = torch.rand(2, 3, 4, 4)
    expected = torch.einsum("nchw,cm->nmhw", x, kernel) + bias.view(1, -1, 1, 1)
    torch.testing.assert_close(dense(x), expected)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ({"class_name": "Conv2D", "module": "my.layers", "config": {"name": "c"}}, "my.layers"),
        ({"class_name": "ReLU", "registered_name": "my>ReLU", "config": {"name": "r"}}, "my>ReLU"),
        ({"class_name": "Activation", "config": {"name": "a", "activation": "mine"}}, "'mine'"),
        (
            {
                "class_name": "Activation",
                "config": {
                    "name": "a",
                    "activation": {"class_name": "ReLU", "config": {"max": 1}},
                },
            },
            "max = '1'",
        ),
        (
            {"class_name": "ZeroPadding2D", "config": {"name": "fc", "padding": 1}},
            "no more weights",
        ),
    ],
)
def test_what_is_not_keras_own_is_refused(layer: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises((UnsupportedModelError, CheckpointError), match=message):
        read(in_a_model(layer, tmp_path))


def functional(*changes: tuple[str, object]) -> dict:
    """Input, flat, fc, wired as Keras 2 does; ``changes`` are (layer, inbound_nodes)."""
    layers = copy.deepcopy(keras_config()["config"]["layers"])
    nodes = {"in": [], "flat": [[["in", 0, 0, {}]]], "fc": [[["flat", 0, 0, {}]]]}
    nodes |= dict(changes)
    for layer in layers:
        layer["name"] = layer["config"]["name"]
        layer["inbound_nodes"] = nodes[layer["name"]]
    ends = {"input_layers": [["in", 0, 0]], "output_layers": [["fc", 0, 0]]}
    return {"class_name": "Functional", "config": {"layers": layers, **ends}}


def test_wires_of_keras_2(tmp_path: Path) -> None:
    for name, config in (("f", functional()), ("s", keras_config())):
        write_keras(tmp_path / f"{name}.h5", json.dumps(config)).close()
    x = torch.rand(2, 1, 6, 6)
    first, second = (read(tmp_path / f"{name}.h5").network for name in "fs")
    torch.testing.assert_close(first(x), second(x))


def test_a_call_that_is_counted_from_the_making_of_a_layer(tmp_path: Path) -> None:
    """Old Keras and TensorFlow.js count it, and do not list it."""
    config = functional(("fc", [[["flat", 1, 0, {}]]]))
    for name, written in (("f", config), ("s", keras_config())):
        write_keras(tmp_path / f"{name}.h5", json.dumps(written)).close()
    x = torch.rand(2, 1, 6, 6)
    first, second = (read(tmp_path / f"{name}.h5").network for name in "fs")
    torch.testing.assert_close(first(x), second(x))


@pytest.mark.parametrize(
    ("layer", "nodes"),
    [
        ("fc", [[["flat", 0, 0, {"training": True}]]]),
        ("fc", [{"args": [1.0], "kwargs": {}}]),
        ("fc", []),
        ("fc", [[["nowhere", 0, 0, {}]]]),
        ("flat", [[["fc", 0, 0, {}]]]),
    ],
)
def test_strange_wires_are_refused(layer: str, nodes: list, tmp_path: Path) -> None:
    write_keras(tmp_path / "m.h5", json.dumps(functional((layer, nodes)))).close()
    with pytest.raises(UnsupportedModelError, match="Keras layer"):
        read(tmp_path / "m.h5")


def test_a_model_with_two_outputs_is_refused(tmp_path: Path) -> None:
    config = functional()
    config["config"]["output_layers"] = [["fc", 0, 0], ["flat", 0, 0]]
    write_keras(tmp_path / "m.h5", json.dumps(config)).close()
    with pytest.raises(UnsupportedModelError, match="one output"):
        read(tmp_path / "m.h5")


def test_code_in_a_config_is_named(tmp_path: Path) -> None:
    """What Keras's own reader would import or run; across the child process, too."""
    config = copy.deepcopy(keras_config())
    config["config"]["layers"][1] = {"class_name": "Lambda", "config": {"name": "evil"}}
    config["compile_config"] = {
        "loss": {"module": "os", "class_name": "function", "config": "system"}
    }
    write_keras(tmp_path / "m.h5", json.dumps(config)).close()
    with pytest.raises(DangerousFileError) as caught:
        open_model(tmp_path / "m.h5")
    assert set(caught.value.imports) == {"keras.layers.Lambda evil", "os.system"}


def test_an_archive_without_weights_says_so(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("config.json", "{}")
    with pytest.raises(CheckpointError, match=r"expected model\.weights\.h5"):
        read(tmp_path / "m.keras")


def test_the_corpus_archive_is_a_model(tmp_path: Path) -> None:
    """Its damaged copies fail for their damage."""
    (tmp_path / "m.keras").write_bytes(keras_archive())
    assert read(tmp_path / "m.keras").classifier.num_classes == 3


class Chain(nn.Sequential):
    """The network of the weights below."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(),
            nn.Linear(48, 5), nn.ReLU(), nn.Linear(5, 4),
        )  # fmt: skip


def chain_weights(network: Chain) -> dict[str, dict[str, np.ndarray]]:
    """Its weights as Keras has them: HWIO kernels, dense inputs in the order (H, W, C)."""
    conv, norm, dense, last = (network[i] for i in (0, 1, 4, 6))
    turned = dense.weight.view(5, 3, 4, 4).permute(0, 2, 3, 1).flatten(1)
    values = {
        "conv2d": {"kernel": conv.weight.permute(2, 3, 1, 0), "bias": conv.bias},
        "batch_normalization": {
            "gamma": norm.weight,
            "beta": norm.bias,
            "moving_mean": norm.running_mean,
            # Keras adds 1e-3, PyTorch 1e-5.
            "moving_variance": norm.running_var - (1e-3 - 1e-5),
        },
        "dense": {"kernel": turned.T, "bias": dense.bias},
        "dense_1": {"kernel": last.weight.T, "bias": last.bias},
    }
    return {k: {n: t.detach().numpy() for n, t in v.items()} for k, v in values.items()}


def write_by_name(path: Path, weights: dict[str, dict[str, np.ndarray]]) -> None:
    """As Keras 2 does."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [name.encode() for name in weights]
        for name, tensors in weights.items():
            for key, value in tensors.items():
                file[f"{name}/{name}/{key}:0"] = value


def write_by_number(path: Path, weights: dict[str, dict[str, np.ndarray]]) -> None:
    """As Keras 3 does."""
    with h5py.File(path, "w") as file:
        for name, tensors in weights.items():
            for i, value in enumerate(tensors.values()):
                file[f"layers/{name}/vars/{i}"] = value


@pytest.mark.parametrize("write", [write_by_name, write_by_number])
def test_weights_alone_fill_a_named_network(write, tmp_path: Path) -> None:
    torch.manual_seed(0)  # untrained answers may all lie in [0, 1], as probabilities do
    network = Chain().eval()
    network[1].running_mean.uniform_(-1, 1)
    network[1].running_var.uniform_(0.5, 2)
    write(tmp_path / "m.weights.h5", chain_weights(network))
    given = Hints("t", f"{__file__}:Chain", input_shape=(2, 6, 6), mean=(0.0,), std=(1.0,))
    loaded = open_model(tmp_path / "m.weights.h5", LoadOptions(given), confined=True)
    x = torch.rand(3, 2, 6, 6)
    torch.testing.assert_close(loaded.classifier.logits(x), network(x))


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    weights = chain_weights(Chain())
    weights["dense_1"]["kernel"] = weights["dense_1"]["kernel"][:, :3]
    write_by_name(tmp_path / "m.h5", weights)
    given = Hints("t", f"{__file__}:Chain", input_shape=(2, 6, 6))
    with pytest.raises(UnsupportedModelError, match=r"6\.weight .* and dense_1\.weight"):
        open_model(tmp_path / "m.h5", LoadOptions(given), confined=True)


@pytest.mark.parametrize("write", [write_by_name, write_by_number])
def test_weights_that_are_no_chain_say_what_to_save(write, tmp_path: Path) -> None:
    weights = chain_weights(Chain())
    weights["dense"]["kernel"] = np.ones((49, 5), np.float32)
    write(tmp_path / "m.h5", weights)
    with pytest.raises(UnsupportedModelError, match=r"49 inputs of dense after 3 channels"):
        read(tmp_path / "m.h5")


def test_a_value_is_dropped_after_its_last_use() -> None:
    """Six layers in a row hold two values at once: what goes in and what comes out."""
    alive: list[weakref.ref[torch.Tensor]] = []
    most = 0

    class Layer(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            nonlocal most
            answer = x + 1
            alive.append(weakref.ref(answer))
            most = max(most, sum(ref() is not None for ref in alive))
            return answer

    calls = [(f"layer{i}", 0) for i in range(6)]
    sources = {call: (calls[i - 1],) if i else () for i, call in enumerate(calls)}
    network = KerasNetwork({name: Layer() for name, _ in calls}, Wires(sources, calls[-1]))
    assert network(torch.zeros(1, 1, 2, 2)).eq(6).all()
    assert most == 2
