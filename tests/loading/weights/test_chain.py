"""Plain chains: what keys and shapes leave open, and networks built from a line of text."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from triggerfish.errors import UnsupportedModelError
from triggerfish.loading.weights.chain_choices import chain_choices
from triggerfish.loading.weights.chain_layers import chain_layers
from triggerfish.loading.weights.chain_text import build_chain


def tutorial() -> nn.Sequential:
    """PyTorch's CIFAR-10 tutorial: 5x5 without padding on 3x32x32."""
    return nn.Sequential(
        nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 10),
    )  # fmt: skip


def test_the_usual_wiring_comes_first_and_computes_the_same() -> None:
    network = tutorial().eval()
    chain = chain_choices(network.state_dict())[0]
    assert chain.text == "0,relu,max2,3,relu,max2,flat,7,relu,9"
    assert chain.input_shape == (3, 32, 32)
    built = build_chain(chain.text, network.state_dict())
    built.load_state_dict(network.state_dict())
    images = torch.rand(3, 3, 32, 32)
    torch.testing.assert_close(built.eval()(images), network(images))


def test_padding_and_image_size_are_both_offered() -> None:
    """5x5 with padding 2 on 28x28 leaves as many values as without padding on 32x32."""
    layers = {"c": nn.Conv2d(1, 6, 5), "d": nn.Conv2d(6, 16, 5), "f": nn.Linear(400, 10)}
    found = chain_choices(nn.ModuleDict(layers).state_dict())
    shown = {(chain.text, chain.input_shape) for chain in found}
    assert ("c/p2,relu,max2,d,relu,max2,flat,f", (1, 28, 28)) in shown
    assert ("c,relu,max2,d,relu,max2,flat,f", (1, 32, 32)) in shown
    assert ("c/p2,relu,avg2,d,relu,avg2,flat,f", (1, 28, 28)) in shown


def test_a_usual_chain_on_another_size_is_offered_beside_unusual_ones() -> None:
    """Three 3x3 and 1792 values: padded on 32x32, or not padded on 48x48, the size of faces."""
    layers = {f"c{i}": nn.Conv2d(*width, 3) for i, width in enumerate(((1, 8), (8, 16), (16, 112)))}
    found = chain_choices(nn.ModuleDict(layers | {"f": nn.Linear(1792, 7)}).state_dict())
    likely = {(chain.text, chain.input_shape) for chain in found if chain.oddness == 1}
    assert ("c0/p1,relu,max2,c1/p1,relu,max2,c2/p1,relu,max2,flat,f", (1, 32, 32)) in likely
    assert ("c0,relu,max2,c1,relu,max2,c2,relu,max2,flat,f", (1, 48, 48)) in likely
    colour = chain_choices(tutorial().state_dict())
    assert {chain.input_shape for chain in colour} <= {(3, 28, 28), (3, 32, 32)}


def test_blocks_that_begin_with_padding_are_no_chain() -> None:
    def block(ins: int, outs: int, *first: nn.Module) -> nn.Module:
        return nn.Sequential(*first, nn.Conv2d(ins, outs, 3), nn.ReLU(), nn.MaxPool2d(2))

    head = nn.Linear(16 * 25, 10)
    plain = {"a": block(1, 8), "b": block(8, 16), "c": head}
    assert chain_choices(nn.ModuleDict(plain).state_dict())
    pooled = {"a": block(1, 8), "b": block(8, 16, nn.Identity()), "c": head}
    assert chain_choices(nn.ModuleDict(pooled).state_dict())
    padded = {"a": block(1, 8, nn.ReflectionPad2d(1)), "b": pooled["b"], "c": head}
    assert not chain_choices(nn.ModuleDict(padded).state_dict())


def test_every_choice_has_the_size_that_the_linear_layer_needs() -> None:
    state = tutorial().state_dict()
    for chain in chain_choices(state):
        network = build_chain(chain.text, state).eval()
        assert network(torch.zeros(1, *chain.input_shape)).shape == (1, 10)


def test_the_place_of_a_batch_norm_is_read_from_its_means() -> None:
    """What comes out of a ReLU is never negative."""
    layers = {"conv1": nn.Conv2d(3, 8, 3), "bn1": nn.BatchNorm2d(8), "fc": nn.Linear(1800, 10)}
    state = nn.ModuleDict(layers).state_dict()
    state["bn1.running_mean"] = torch.rand(8) + 0.1
    assert chain_choices(state)[0].text.startswith("conv1,relu,bn1,max2")
    state["bn1.running_mean"] = torch.linspace(-1, 1, 8)
    assert chain_choices(state)[0].text.startswith("conv1,bn1,relu,max2")


def test_networks_with_shortcuts_are_no_chains() -> None:
    block = {"conv1": nn.Conv2d(8, 8, 3), "conv2": nn.Conv2d(8, 8, 3)}
    network = nn.ModuleDict(
        {"conv": nn.Conv2d(3, 8, 3), "layer1": nn.ModuleDict({"0": nn.ModuleDict(block)}),
         "fc": nn.Linear(8, 10)}
    )  # fmt: skip
    assert chain_layers(network.state_dict()) == ()


def grouped(*widths: int) -> nn.ModuleDict:
    """A first convolution, a group of others of these widths, one more and a linear layer."""
    group = nn.Sequential(*(nn.Sequential(nn.Conv2d(a, b, 3)) for a, b in pairwise(widths)))
    layers = {"conv": nn.Conv2d(3, widths[0], 3), "res1": group}
    return nn.ModuleDict({**layers, "last": nn.Conv2d(widths[-1], 8, 3), "fc": nn.Linear(8, 10)})


def test_a_group_that_a_shortcut_may_go_around_is_no_chain() -> None:
    """A shortcut has no weights: nothing in the file says that there is none."""
    assert chain_layers(grouped(8, 8, 8).state_dict()) == ()
    assert chain_layers(grouped(8, 16, 8).state_dict()) == ()
    assert len(chain_layers(grouped(8, 16, 16).state_dict())) == 5


@pytest.mark.parametrize("name", ['x"]; import os #', "a,b", "a/p2", "", "ä"])
def test_names_that_could_be_code_or_syntax_are_no_layers(name: str) -> None:
    state = {f"{name}.weight": torch.zeros(10, 784), f"{name}.bias": torch.zeros(10)}
    assert chain_layers(state) == ()


def test_an_unknown_step_is_named() -> None:
    with pytest.raises(UnsupportedModelError, match="'maxi' is no step of a chain"):
        build_chain("0,relu,maxi,3", tutorial().state_dict())
