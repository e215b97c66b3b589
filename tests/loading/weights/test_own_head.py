"""Networks of the catalogue with linear layers of somebody's own at the end."""

import pytest
import torch
from torch import nn

from triggerfish.architectures import ARCHITECTURES
from triggerfish.architectures.tasks import IMAGENET
from triggerfish.errors import UnsupportedModelError
from triggerfish.loading.contents import Part
from triggerfish.loading.hints import Hints
from triggerfish.loading.weights.by_name import make_network
from triggerfish.loading.weights.choices import NetworkChoice, network_choices
from triggerfish.loading.weights.matching import fill

IMAGES = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def choices(network: nn.Module) -> list[NetworkChoice]:
    return list(network_choices(Part("", network.state_dict()), Hints("nobody"), "m.pt"))


def with_head(name: str, place: str, *layers: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    network = ARCHITECTURES[name](1000, 3)
    setattr(network, place, nn.Sequential(*layers))
    return network.eval()


def test_dropout_before_the_last_layer_changes_its_name_alone() -> None:
    network = with_head("torchvision_resnet18", "fc", nn.Dropout(), nn.Linear(512, 4))
    (choice,) = choices(network)
    assert (choice.name, choice.input_shapes) == (
        "torchvision_resnet18+relu",
        (IMAGENET.input_shape,),
    )
    with torch.no_grad():
        torch.testing.assert_close(choice.network.eval()(IMAGES), network(IMAGES))


def test_one_layer_between_two_may_be_an_activation_or_dropout() -> None:
    head = nn.Dropout(), nn.Linear(512, 8), nn.Dropout(), nn.Linear(8, 3)
    network = with_head("torchvision_resnet18", "fc", *head)
    relu, linear = choices(network)
    assert (relu.name, linear.name) == ("torchvision_resnet18+relu", "torchvision_resnet18+linear")
    with torch.no_grad():
        torch.testing.assert_close(linear.network(IMAGES), network(IMAGES))
        assert not torch.allclose(relu.network(IMAGES), network(IMAGES))
    state = network.state_dict()
    named, _ = make_network(linear.name, state, Hints("user"))
    with torch.no_grad():
        torch.testing.assert_close(fill(named, state, linear.name).eval()(IMAGES), network(IMAGES))


def test_a_head_in_place_of_a_whole_sequence() -> None:
    head = nn.Dropout(), nn.Linear(1280, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 3)
    network = with_head("torchvision_mobilenet_v2", "classifier", *head)
    (choice,) = choices(network)
    assert choice.name == "torchvision_mobilenet_v2+relu"
    with torch.no_grad():
        torch.testing.assert_close(choice.network.eval()(IMAGES), network(IMAGES))


def test_a_head_with_a_norm_is_not_guessed() -> None:
    head = nn.Linear(512, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3)
    network = with_head("torchvision_resnet18", "fc", *head)
    with pytest.raises(UnsupportedModelError, match="no network of the catalogue"):
        choices(network)
    with pytest.raises(UnsupportedModelError, match="linear layers of its own"):
        make_network("torchvision_resnet18+relu", network.state_dict(), Hints("user"))
