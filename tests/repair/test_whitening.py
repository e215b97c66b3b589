import pytest
import torch
from torch import nn

from triggerfish.repairs.whitening import inverse, patches, whitened

RIDGE = 0.1


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5)
    ).eval()


def images(count: int = 40) -> torch.Tensor:
    return torch.rand(count, 2, 6, 6, generator=torch.Generator().manual_seed(1))


def by_hand(rows: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """``G C^(-1)``, C with its ridge and divided by its mean eigenvalue."""
    moment = rows.double().T @ rows.double() / len(rows)
    mean = moment.trace() / len(moment)
    ridged = moment / mean + RIDGE * torch.eye(len(moment)).double()
    return torch.linalg.solve(ridged, gradient.double().flatten(1).T).T.float().view_as(gradient)


@pytest.mark.parametrize("count", [300, 7])  # more rows than values, and fewer: Woodbury
def test_a_gradient_is_divided_by_the_second_moment_of_the_inputs(count: int) -> None:
    generator = torch.Generator().manual_seed(2)
    scales = torch.linspace(1, 9, 20)
    rows = torch.randn(count, 20, generator=generator) * scales
    gradient = torch.randn(3, 20, generator=generator)
    found = inverse(rows, RIDGE)(gradient)
    assert torch.allclose(found, by_hand(rows, gradient), rtol=1e-3, atol=1e-3)


def test_a_convolution_moves_by_its_patches() -> None:
    model = network()
    rows = patches(model[0], images())
    assert rows.shape == (40 * 36, 18)
    gradient = torch.randn(4, 2, 3, 3, generator=torch.Generator().manual_seed(3))
    parameter, direction = whitened(model, images(), RIDGE)[0]
    assert parameter is model[0].weight
    assert torch.allclose(direction(gradient), by_hand(rows, gradient), rtol=1e-3, atol=1e-3)


def test_patches_times_the_weight_are_the_layer() -> None:
    layer = nn.Conv2d(4, 6, 3, stride=2, padding=1, bias=False)
    seen = torch.rand(3, 4, 8, 8)
    product = patches(layer, seen) @ layer.weight.flatten(1).T
    assert torch.allclose(product, layer(seen).permute(0, 2, 3, 1).flatten(0, 2), atol=1e-5)


def test_weights_and_biases_move_and_nothing_else_does() -> None:
    model = network()
    before = model(images())
    moving = whitened(model, images(), RIDGE)
    assert [tuple(p.shape) for p, _ in moving] == [(4, 2, 3, 3), (4,), (5, 144), (5,)]
    assert torch.equal(moving[1][1](torch.ones(4)), torch.ones(4))
    assert torch.equal(model(images()), before)


def test_an_input_too_wide_for_its_second_moment_moves_along_its_gradient(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("triggerfish.repairs.whitening.MAX_WIDTH", 100)
    (_, first), _, (_, second), _ = whitened(network(), images(), RIDGE)
    assert not torch.equal(first(torch.ones(4, 2, 3, 3)), torch.ones(4, 2, 3, 3))
    assert torch.equal(second(torch.ones(5, 144)), torch.ones(5, 144))


@pytest.mark.parametrize("direction", [0, 1])
def test_a_direction_that_never_varies_moves_most(direction: int) -> None:
    rows = torch.zeros(50, 2)
    rows[:, 1 - direction] = 1.0
    gains = inverse(rows, RIDGE)(torch.ones(1, 2))[0]
    # Eigenvalues 1 and 0, mean 1/2: 0.5 / (1 + 0.05) and 0.5 / 0.05.
    assert gains[1 - direction] == pytest.approx(0.5 / 1.05, rel=1e-4)
    assert gains[direction] == pytest.approx(10, rel=1e-4)
