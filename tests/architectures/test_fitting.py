"""A state dict -> all the networks that it fills, never just the first."""

import pytest
import torch
from torch import nn

from triggerfish.architectures import ARCHITECTURES, Architecture, fits
from triggerfish.architectures.tasks import CIFAR10_UNIT, MNIST

# Entries that no state dict can tell apart; all others stand alone.
GROUPS = [
    {"pytorch_tutorial_cnn", "lenet"},
    {"pytorch_mnist_2019", "caffe_lenet"},
    {"badnets_cnn", "badnets_cnn_maxpool"},
    {"verazuo_badnet", "verazuo_badnet_maxpool"},
]


def shapes_of(network: nn.Module) -> dict[str, tuple[int, ...]]:
    return {key: tuple(value.shape) for key, value in network.state_dict().items()}


def names(shapes: dict[str, tuple[int, ...]]) -> set[str]:
    return {fit.architecture.name for fit in fits(shapes, ARCHITECTURES.values())}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_known_groups_and_no_others(name: str) -> None:
    entry = ARCHITECTURES[name]
    with torch.device("meta"):
        found = names(shapes_of(entry(12)))
    expected = next((group for group in GROUPS if name in group), {entry.same_as or name})
    assert found == expected


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: min(group))
def test_members_of_a_group_are_different_functions(group: set[str]) -> None:
    networks = {name: ARCHITECTURES[name](10, 1).eval() for name in sorted(group)}
    shared = next(iter(networks.values())).state_dict()
    answers = []
    for name, network in networks.items():
        network.load_state_dict(shared)
        image = torch.rand(1, *ARCHITECTURES[name].tasks_for(10, 1)[0].input_shape)
        answers.append(network(image).detach())
    torch.manual_seed(0)
    assert all(not torch.allclose(a, b) for i, a in enumerate(answers) for b in answers[:i])


def test_classes_and_channels_come_from_the_shapes() -> None:
    (fit,) = fits(shapes_of(ARCHITECTURES["mlp"](5, 3)), ARCHITECTURES.values())
    assert (fit.num_classes, fit.channels) == (5, 3)
    assert fit.tasks == (MNIST.with_channels(3),)
    assert fit.build()(torch.rand(2, 3, 28, 28)).shape == (2, 5)


def test_one_wrong_shape_or_key_fits_nothing() -> None:
    shapes = shapes_of(ARCHITECTURES["pytorch_tutorial_cnn"]())
    assert names(shapes)
    assert not names({**shapes, "fc2.weight": (84, 121)})
    assert not names({**shapes, "fc4.weight": (1, 1)})
    assert not names({f"net.{key}": shape for key, shape in shapes.items()})
    assert not names({})


def test_a_twin_alone_is_found() -> None:
    twin = ARCHITECTURES["paper_cnn_dropout"]
    (fit,) = fits(shapes_of(twin()), [twin])
    assert fit.architecture is twin


def test_counters_may_be_missing() -> None:
    shapes = shapes_of(ARCHITECTURES["akamaster_resnet20"]())
    old = {key: shape for key, shape in shapes.items() if "num_batches_tracked" not in key}
    assert names(old) == names(shapes) == {"akamaster_resnet20"}


def test_an_architecture_that_refuses_these_sizes_fits_nothing() -> None:
    def factory(num_classes: int, channels: int) -> nn.Module:
        raise ValueError("no")

    entry = Architecture(
        "x", "", "", factory, (CIFAR10_UNIT,), first="a", last="a", tensors=1
    )  # fmt: skip
    assert fits({"a.weight": (10, 3, 1, 1)}, [entry]) == ()
