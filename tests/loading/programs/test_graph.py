"""Graphs as steps: what is left out, computed once, let go, and what must not be."""

import gc
import weakref
from itertools import pairwise

import torch

from triggerfish.loading.programs.graph_network import GraphNetwork
from triggerfish.loading.programs.steps import Ref, Step


def step(name: str, run, *arguments, to: str) -> Step:
    return Step(name, run, tuple(Ref(a) if isinstance(a, str) else a for a in arguments), (to,))


def test_what_depends_on_constants_is_computed_once() -> None:
    runs = []

    def double(value: torch.Tensor) -> torch.Tensor:
        runs.append(1)
        return value * 2

    steps = [step("mul", double, "w", to="v"), step("add", torch.add, "x", "v", to="y")]
    network = GraphNetwork("x", {"w": torch.ones(3)}, steps, "y")
    for _ in range(3):
        torch.testing.assert_close(network(torch.zeros(2, 3)), torch.full((2, 3), 2.0))
    assert len(runs) == 1
    # What the weights are is what the file holds.
    assert list(network.state_dict()) == ["constant_0"]
    torch.testing.assert_close(network.double()(torch.zeros(2, 3).double()).sum().item(), 12.0)


def test_a_value_is_let_go_after_its_last_use() -> None:
    seen: list[weakref.ref] = []

    def watched(value: torch.Tensor) -> torch.Tensor:
        gc.collect()
        alive = [ref for ref in seen if ref() is not None]
        assert len(alive) <= 1
        result = value + 1
        seen.append(weakref.ref(result))
        return result

    names = ["x", *(f"v{i}" for i in range(5))]
    steps = [step("add", watched, a, to=b) for a, b in pairwise(names)]
    network = GraphNetwork("x", {}, steps, names[-1])
    with torch.no_grad():
        torch.testing.assert_close(network(torch.zeros(2)), torch.full((2,), 5.0))
    assert len(seen) == 5


def test_what_no_output_needs_is_left_out_but_not_what_works_in_place() -> None:
    def fails(_: torch.Tensor) -> torch.Tensor:
        raise AssertionError

    # A mask is made, a part of it is filled in place, and the whole is used: as in Swin.
    steps = [
        step("relu", fails, "x", to="unused"),
        step("new_zeros", lambda w: w.new_zeros(3), "w", to="mask"),
        step("slice", lambda m: m[:2], "mask", to="part"),
        step("add_", lambda p: p.add_(1), "part", to="filled"),
        step("mul", torch.mul, "x", "mask", to="y"),
    ]
    network = GraphNetwork("x", {"w": torch.ones(1)}, steps, "y")
    for _ in range(3):
        torch.testing.assert_close(network(torch.ones(3)), torch.tensor([1.0, 1.0, 0.0]))


def test_one_output_of_several_is_a_network_of_its_own() -> None:
    steps = [
        step("relu", torch.relu, "x", to="features"),
        step("mul", torch.mul, "features", "w", to="z"),
        Step("softmax", torch.softmax, (Ref("z"), 1), ("p",)),
    ]
    names = {"features": "features", "probabilities": "p"}
    network = GraphNetwork("x", {"w": torch.tensor(2.0)}, steps, names)
    x = torch.randn(2, 3)
    found = network(x)
    assert list(found) == ["features", "probabilities"]
    torch.testing.assert_close(found["probabilities"].sum(1), torch.ones(2))
    torch.testing.assert_close(network.only("probabilities")(x), x.relu() * 2)
    torch.testing.assert_close(network.only("features")(x), x.relu())
    assert not network.only("features").state_dict()
