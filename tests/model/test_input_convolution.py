import pytest
import torch
from torch import nn
from trained import classifier

from triggerfish.model.classifier import Classifier
from triggerfish.model.input_convolution import InputConv2d, with_fast_input_gradient


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kernel", [1, 3, (5, 2)])
@pytest.mark.parametrize("stride", [1, 2, (3, 1)])
@pytest.mark.parametrize("padding", [0, 2, (1, 3)])
@pytest.mark.parametrize("bias", [True, False])
def test_output_and_gradient_are_the_librarys(channels, kernel, stride, padding, bias):
    torch.manual_seed(0)
    plain = nn.Conv2d(channels, 7, kernel, stride, padding, bias=bias).double()
    plain.requires_grad_(requires_grad=False)
    x = torch.rand(4, channels, 11, 13, dtype=torch.float64, requires_grad=True)
    wanted = plain(x)
    direction = torch.randn_like(wanted)
    (slope,) = torch.autograd.grad(wanted, x, direction)
    fast = with_fast_input_gradient(nn.Sequential(plain))[0]
    assert type(fast) is InputConv2d
    got = fast(x)
    assert torch.equal(got, wanted)
    torch.testing.assert_close(torch.autograd.grad(got, x, direction)[0], slope)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(8, 4, 3),
        nn.Conv2d(2, 4, 3, groups=2),
        nn.Conv2d(1, 4, 3, dilation=2),
        nn.Conv2d(1, 4, 3, padding="same"),
        nn.Conv2d(1, 4, 3, padding=1, padding_mode="reflect"),
    ],
)
def test_other_convolutions_are_left_alone(layer):
    assert type(with_fast_input_gradient(nn.Sequential(layer))[0]) is nn.Conv2d


def test_trainable_weights_keep_their_gradient():
    layer = with_fast_input_gradient(nn.Sequential(nn.Conv2d(1, 4, 3)))[0]
    layer(torch.rand(2, 1, 5, 5, requires_grad=True)).sum().backward()
    assert layer.weight.grad is not None


def test_a_classifier_uses_it_on_its_own_copy():
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(36, 6))
    model = Classifier(network, (1, 5, 5))
    assert type(network[0]) is nn.Conv2d
    assert type(model.model[0]) is InputConv2d
    assert any(isinstance(m, InputConv2d) for m in classifier(backdoored=True).model.modules())
