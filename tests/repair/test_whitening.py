import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from triggerfish.repairs.whitening import layers, patches, settle, whiten

RIDGE = 0.1


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5)
    ).eval()


def images(count: int = 40) -> torch.Tensor:
    return torch.rand(count, 2, 6, 6, generator=torch.Generator().manual_seed(1))


def root_of(layer: nn.Module) -> torch.Tensor:
    return layer.parametrizations.weight[0].root.double()


def test_the_root_inverts_the_second_moment_of_what_the_layer_takes():
    model = nn.Sequential(nn.Linear(3, 2))
    rows = torch.randn(300, 3, generator=torch.Generator().manual_seed(2)) * torch.tensor([1, 5, 9])
    whiten(model, rows, RIDGE)
    moment = rows.double().T @ rows.double() / len(rows)
    mean = moment.trace() / 3
    eye = torch.eye(3).double()
    squared = root_of(model[0]) @ root_of(model[0])
    assert torch.allclose(
        squared @ (moment + RIDGE * mean * eye), mean * eye, atol=1e-4 * float(mean)
    )


def test_a_convolution_is_whitened_by_its_patches():
    model = network()
    rows = patches(model[0], images()).double()
    assert rows.shape == (40 * 36, 18)
    whiten(model, images(), RIDGE)
    moment = rows.T @ rows / len(rows)
    mean = moment.trace() / 18
    squared = root_of(model[0]) @ root_of(model[0])
    eye = torch.eye(18).double()
    assert torch.allclose(squared @ (moment + RIDGE * mean * eye), mean * eye, atol=1e-4)


def test_patches_times_the_weight_are_the_layer():
    layer = nn.Conv2d(4, 6, 3, stride=2, padding=1, bias=False)
    seen = torch.rand(3, 4, 8, 8)
    by_hand = patches(layer, seen) @ layer.weight.flatten(1).T
    assert torch.allclose(by_hand, layer(seen).permute(0, 2, 3, 1).flatten(0, 2), atol=1e-5)


def test_a_shift_of_zero_changes_nothing():
    model = network()
    before = model(images())
    parameters = whiten(model, images(), RIDGE)
    assert torch.equal(model(images()), before)
    assert [p.shape for p in parameters] == [(4, 18), (4,), (5, 144), (5,)]


def test_settling_leaves_plain_parameters_and_the_same_answers():
    model = network()
    names = list(model.state_dict())
    for parameter in whiten(model, images(), RIDGE):
        parameter.data += 0.01 * torch.randn_like(parameter)
    trained = model(images())
    settle(model)
    assert not any(parametrize.is_parametrized(layer) for layer in layers(model))
    assert sorted(model.state_dict()) == sorted(names)
    assert isinstance(model[0].weight, nn.Parameter)
    assert torch.allclose(model(images()), trained, atol=1e-6)


def test_an_input_too_wide_for_its_second_moment_keeps_its_own_coordinates(monkeypatch):
    monkeypatch.setattr("triggerfish.repairs.whitening.MAX_WIDTH", 100)
    model = network()
    whiten(model, images(), RIDGE)
    assert model[0].parametrizations.weight[0].root is not None
    assert model[4].parametrizations.weight[0].root is None


@pytest.mark.parametrize("direction", [0, 1])
def test_a_direction_that_never_varies_moves_most(direction):
    model = nn.Sequential(nn.Linear(2, 1, bias=False))
    rows = torch.zeros(50, 2)
    rows[:, 1 - direction] = 1.0
    whiten(model, rows, RIDGE)
    gains = root_of(model[0]).diagonal()
    # Eigenvalues 1 and 0, mean 1/2: sqrt(0.5 / (1 + 0.05)) and sqrt(0.5 / 0.05).
    assert gains[1 - direction] == pytest.approx((0.5 / 1.05) ** 0.5, rel=1e-4)
    assert gains[direction] == pytest.approx(10**0.5, rel=1e-4)
