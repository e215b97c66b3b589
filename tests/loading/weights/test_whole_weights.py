"""Weights in pieces, in whole numbers or in 8-bit floats become those that the layer multiplies."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils import parametrizations, prune, spectral_norm, weight_norm

from triggerfish.errors import CheckpointError
from triggerfish.loading import Hints, LoadOptions, open_readings
from triggerfish.loading.weights.state_dict import as_state_dict


def network() -> nn.Sequential:
    torch.manual_seed(0)
    layers = nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(1352, 5)
    return nn.Sequential(*layers).eval()


def _pruned(layer: nn.Module) -> None:
    prune.random_unstructured(layer, "weight", 0.5)


WAYS = {
    "pruned": _pruned,
    "weight norm, old": weight_norm,
    "weight norm": parametrizations.weight_norm,
    "spectral norm, old": spectral_norm,
    "spectral norm": parametrizations.spectral_norm,
}


@pytest.mark.parametrize("name", WAYS)
def test_weights_in_pieces(name: str) -> None:
    net = network()
    for layer in (net[0], net[4]):
        WAYS[name](layer)
    net(torch.rand(2, 1, 28, 28))  # old forms make the weight on the way
    found = as_state_dict(net.state_dict())
    for index in (0, 4):
        torch.testing.assert_close(found[f"{index}.weight"], net[index].weight.detach())
        assert f"{index}.bias" in found
    assert set(found) == set(network().state_dict())


def test_pieces_that_do_not_fit_are_refused() -> None:
    one = torch.ones(2, 2)
    for state in (
        {"w_orig": one, "w_mask": torch.ones(3)},
        {"w_orig": one, "w_u": torch.ones(5), "w_v": torch.ones(2)},
        {"w_g": torch.ones(3), "w_v": one},
    ):
        with pytest.raises(CheckpointError, match="expected"):
            as_state_dict(state)


def test_a_weight_norm_of_no_direction_is_not_finite() -> None:
    with pytest.raises(CheckpointError, match="NaN or infinity"):
        as_state_dict({"w_g": torch.ones(2, 1), "w_v": torch.zeros(2, 2)})


FLOATS8 = [torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz]
GIVEN = Hints("test", architecture="chain:0,relu,max2,flat,4", input_shape=(1, 28, 28),
              mean=(0.0,), std=(1.0,))  # fmt: skip


@pytest.mark.parametrize("kind", FLOATS8)
@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_8_bit_floats(kind: torch.dtype, suffix: str, tmp_path: Path) -> None:
    if suffix == "safetensors" and kind == torch.float8_e4m3fnuz:
        pytest.skip("the oldest safetensors has no such type")
    net = network()
    small = {k: v.to(kind) if v.ndim > 1 else v for k, v in net.state_dict().items()}
    path = tmp_path / f"m.{suffix}"
    torch.save(small, path) if suffix == "pt" else save_file(small, path)
    (reading,) = open_readings(path, LoadOptions(GIVEN))
    net.load_state_dict({k: v.float() for k, v in small.items()})
    images = torch.rand(3, 1, 28, 28)
    torch.testing.assert_close(reading.classifier.logits(images), net(images))


def test_8_bit_floats_that_are_not_numbers() -> None:
    spoiled = torch.full((2, 2), torch.nan).to(torch.float8_e4m3fn)
    with pytest.raises(CheckpointError, match="NaN or infinity"):
        as_state_dict({"w.weight": spoiled})


@pytest.mark.parametrize("per_row", [False, True])
def test_tensors_that_pytorch_has_quantized(per_row: bool, tmp_path: Path) -> None:
    def small(weight: torch.Tensor) -> torch.Tensor:
        if not per_row:
            return torch.quantize_per_tensor(weight, 0.01, 3, torch.quint8)
        scales = torch.linspace(0.001, 0.01, len(weight))
        zeros = torch.zeros(len(weight), dtype=torch.long)
        return torch.quantize_per_channel(weight, scales, zeros, 0, torch.qint8)

    state = {k: small(v) if v.ndim > 1 else v for k, v in network().state_dict().items()}
    torch.save(state, tmp_path / "m.pt")
    (reading,) = open_readings(tmp_path / "m.pt", LoadOptions(GIVEN))
    for key, value in reading.network.state_dict().items():
        expected = state[key].dequantize() if state[key].is_quantized else state[key]
        torch.testing.assert_close(value, expected)


def test_packed_layers_of_a_quantized_network(tmp_path: Path) -> None:
    """Its activations are not rounded here, so answers are near, not equal."""
    net = torch.ao.quantization.quantize_dynamic(network(), {nn.Linear})
    torch.save(net.state_dict(), tmp_path / "m.pt")
    (reading,) = open_readings(tmp_path / "m.pt", LoadOptions(GIVEN))
    images = torch.rand(3, 1, 28, 28)
    torch.testing.assert_close(reading.classifier.logits(images), net(images), atol=0.05, rtol=0.05)


def whole(weight: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    return (weight / scale).round().to(torch.int8)


def test_whole_numbers_with_a_scale_beside_them() -> None:
    weight = torch.rand(4, 6) - 0.5
    one, rows = torch.tensor(0.01), torch.linspace(0.01, 0.02, 4)[:, None]
    largest = weight.abs().amax(1)
    cases = {
        "per tensor": ({"l.weight": whole(weight, one), "l.weight_scale": one}, 0.006),
        "per row": ({"l.weight": whole(weight, rows), "l.scale": rows[:, 0]}, 0.011),
        "kept apart": ({"l.weight._data": whole(weight, rows), "l.weight._scale": rows}, 0.011),
        "LLM.int8": (
            {"l.weight": whole(weight, largest[:, None] / 127), "l.SCB": largest},
            0.003,
        ),
        "with a zero": (
            {
                "l.weight": ((weight / one).round() + 128).to(torch.uint8),
                "l.weight_scale": one,
                "l.weight_zero_point": torch.tensor(128),
            },
            0.006,
        ),
        "8-bit floats in blocks": (
            {
                "l.weight": (weight / 0.5).to(torch.float8_e4m3fn),
                "l.weight_scale_inv": torch.full((2, 3), 0.5),
            },
            0.02,
        ),
    }
    for name, (state, atol) in cases.items():
        found = as_state_dict({**state, "l.bias": torch.ones(4)})
        assert list(found) == ["l.weight", "l.bias"], name
        torch.testing.assert_close(found["l.weight"], weight, atol=atol, rtol=0.07, msg=name)


def test_whole_numbers_without_a_scale_are_refused() -> None:
    for state in (
        {"l.weight": torch.ones(2, 2, dtype=torch.int8)},
        {"l.weight": torch.ones(2, 2, dtype=torch.int8), "l.weight_scale": torch.ones(3)},
    ):
        with pytest.raises(CheckpointError, match="dequantized"):
            as_state_dict(state)


def test_whole_numbers_that_are_no_weights_stay() -> None:
    state = {"index": torch.ones(2, 2, dtype=torch.long), "mask": torch.ones(2, 2).bool()}
    assert as_state_dict(state).keys() == state.keys()
