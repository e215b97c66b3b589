"""State dicts of MLX become PyTorch's, or are refused; PyTorch's own stay as they are."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from triggerfish.errors import UnsupportedModelError
from triggerfish.loading import Hints, LoadOptions, open_model
from triggerfish.loading.weights.mlx_layout import from_mlx, is_mlx

CHAIN = "chain:conv1/p1,relu,max2,conv2/p1,relu,max2,flat,fc1,relu,fc2"


def network(hidden: int = 20) -> dict[str, Tensor]:
    torch.manual_seed(0)
    layers = {
        "conv1": nn.Conv2d(3, 6, 3),
        "conv2": nn.Conv2d(6, 10, 3),
        "fc1": nn.Linear(10 * 2 * 2, hidden),
        "fc2": nn.Linear(hidden, 4),
    }
    return {
        f"{name}.{key}": value.detach()
        for name, layer in layers.items()
        for key, value in layer.state_dict().items()
    }


def as_mlx(state: dict[str, Tensor], channels: int = 10) -> dict[str, Tensor]:
    """As ``mx.save_safetensors`` has it: kernels (O, H, W, I), the flatten's order (H, W, C)."""
    found = {}
    for key, value in sorted(state.items()):
        if value.ndim == 4:
            value = value.permute(0, 2, 3, 1)
        elif key == "fc1.weight":
            value = value.view(len(value), channels, -1).transpose(1, 2).flatten(1)
        found[key] = value.contiguous()
    return found


def test_kernels_and_the_first_linear_layer_are_turned() -> None:
    state = network()
    found = from_mlx(as_mlx(state))
    assert list(found) == list(state)
    for key, value in state.items():
        torch.testing.assert_close(found[key], value)


def test_a_file_of_mlx_is_the_network_that_was_saved(tmp_path: Path) -> None:
    state = network()
    save_file(state, tmp_path / "torch.safetensors", {"format": "pt"})
    save_file(as_mlx(state), tmp_path / "mlx.safetensors")
    given = LoadOptions(
        Hints("options", architecture=CHAIN, input_shape=(3, 8, 8), mean=(0.0,), std=(1.0,))
    )
    images = torch.rand(3, 3, 8, 8)
    first, second = (
        open_model(tmp_path / name, given).classifier.logits(images)
        for name in ("torch.safetensors", "mlx.safetensors")
    )
    torch.testing.assert_close(first, second)


def test_layers_are_in_the_order_of_their_numbers() -> None:
    state = {f"layers.{n}.weight": torch.ones(4, 3, 3, 4) for n in (10, 0, 2)}
    state["layers.2.bias"] = torch.zeros(4)
    expected = ["layers.0.weight", "layers.2.weight", "layers.2.bias", "layers.10.weight"]
    assert list(from_mlx(state)) == expected


@pytest.mark.parametrize(
    ("shapes", "said", "expected"),
    [
        ([(8, 3, 3, 3), (16, 3, 3, 8)], None, True),
        ([(8, 3, 3, 3), (16, 8, 3, 3)], None, False),
        ([(8, 1, 1, 4), (8, 5, 5, 1)], None, True),
        ([(8, 3, 3, 3)], None, False),  # both fit: PyTorch's is usual
        ([(8, 3, 3, 3)], "mlx", True),
        ([(8, 16, 3, 3)], "mlx", False),
        ([], "mlx", False),
    ],
)
def test_shapes_tell_the_layout(
    shapes: list[tuple[int, ...]], said: str | None, expected: bool
) -> None:
    state = {f"conv{i}.weight": torch.zeros(shape) for i, shape in enumerate(shapes)}
    assert is_mlx(state, said) is expected


def test_a_linear_layer_on_pooled_channels_stays(tmp_path: Path) -> None:
    state = {"conv.weight": torch.rand(5, 3, 3, 3), "fc.weight": torch.rand(4, 5)}
    torch.testing.assert_close(from_mlx(state)["fc.weight"], state["fc.weight"])


@pytest.mark.parametrize(
    "state",
    [
        {"conv.weight": torch.rand(5, 3, 3, 3), "fc.weight": torch.rand(4, 7)},
        # 40 inputs after 10 channels, and 40 outputs before: which layer is the first?
        as_mlx(network(hidden=40)),
        # Two branches: whose channels were flattened?
        {
            "a.weight": torch.rand(4, 3, 3, 3),
            "b.weight": torch.rand(6, 3, 3, 3),
            "fc.weight": torch.rand(2, 24),
        },
    ],
)
def test_what_the_shapes_do_not_tell_is_refused(state: dict[str, Tensor]) -> None:
    with pytest.raises(UnsupportedModelError, match="PyTorch's layout"):
        from_mlx(state)
