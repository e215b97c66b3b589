"""torch.export programs: what they compute, and everything that is not understood refused."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from corpus.valid import entry, exported, rewrite
from torch import nn

from triggerfish.errors import CheckpointError, TriggerfishError, UnsupportedModelError
from triggerfish.loading.formats import exported as exported_format
from triggerfish.loading.hints import LoadOptions

MODEL = "models/model.json"
BATCH = torch.export.Dim("batch", min=1, max=64)


class Branches(nn.Module):
    """Operators with options in many places."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, stride=2, padding=1, dilation=1, groups=2, bias=False)
        self.norm = nn.GroupNorm(2, 4, eps=1e-3)
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        x = nn.functional.leaky_relu(self.norm(self.conv(x)), 0.3)
        x = nn.functional.avg_pool2d(x, 3, 2, 1, ceil_mode=True, count_include_pad=False)
        x = torch.cat([x.amax((2, 3)), nn.functional.elu(x.mean((2, 3)), 0.5)], dim=1)
        x = x.view(x.shape[0], 2, 4)[:, 1].clamp(min=-0.1)
        return self.fc(nn.functional.softmax(x, dim=-1) * 2 - 0.5)


def read(path: Path) -> nn.Module:
    network = exported_format.read(path, path.read_bytes()[:4096], LoadOptions()).network
    assert network is not None
    return network


def changed(folder: Path, change: Callable[[dict], object]) -> Path:
    """The corpus' program with its JSON changed."""
    program = json.loads(entry(exported(), MODEL))
    change(program["graph_module"])
    path = folder / "m.pt2"
    path.write_bytes(rewrite(exported(), {MODEL: json.dumps(program).encode()}))
    return path


@pytest.mark.parametrize("network", [Branches(), nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten())])
def test_the_same_answers_with_all_options(network: nn.Module, tmp_path: Path) -> None:
    x = torch.rand(3, 2, 8, 8)
    program = torch.export.export(network.eval(), (x,), dynamic_shapes=({0: BATCH},))
    torch.export.save(program, tmp_path / "m.pt2")
    torch.testing.assert_close(read(tmp_path / "m.pt2")(x), network(x))


@pytest.mark.parametrize("dim", [0, 1])
def test_only_a_softmax_over_classes_is_a_head(dim: int, tmp_path: Path) -> None:
    x = torch.rand(3, 1, 2, 2)
    network = nn.Sequential(nn.Flatten(), nn.Softmax(dim))
    program = torch.export.export(network, (x,), dynamic_shapes=({0: BATCH},))
    torch.export.save(program, tmp_path / "m.pt2")
    expected = x.flatten(1).softmax(0) if dim == 0 else x.flatten(1)
    torch.testing.assert_close(read(tmp_path / "m.pt2")(x), expected)


def test_an_unknown_argument_is_refused(tmp_path: Path) -> None:
    more = {"name": "surprise", "arg": {"as_int": 1}, "kind": 2}
    path = changed(tmp_path, lambda graph: graph["graph"]["nodes"][0]["inputs"].append(more))
    with pytest.raises((TriggerfishError, RuntimeError), match="surprise"):
        read(path)(torch.rand(2, 1, 6, 6))


def test_an_unknown_kind_of_argument_is_refused(tmp_path: Path) -> None:
    def change(graph: dict) -> None:
        graph["graph"]["nodes"][0]["inputs"][0]["kind"] = 9

    with pytest.raises(UnsupportedModelError, match="arguments in order"):
        read(changed(tmp_path, change))


def test_a_program_that_does_more_than_answer_is_refused(tmp_path: Path) -> None:
    def change(graph: dict) -> None:
        graph["signature"]["output_specs"].append({"user_input_mutation": {}})

    with pytest.raises(UnsupportedModelError, match="only answers, got user_input_mutation"):
        read(changed(tmp_path, change))


def test_a_value_that_is_computed_twice_is_refused(tmp_path: Path) -> None:
    def change(graph: dict) -> None:
        graph["graph"]["nodes"].insert(1, graph["graph"]["nodes"][0])

    with pytest.raises(UnsupportedModelError, match="again"):
        read(changed(tmp_path, change))


def test_an_older_layout_says_how_to_convert(tmp_path: Path) -> None:
    old = {MODEL: None, "serialized_exported_program.json": b"{}"}
    (tmp_path / "m.pt2").write_bytes(rewrite(exported(), old))
    with pytest.raises((CheckpointError, UnsupportedModelError), match=r"torch\.export\.save"):
        read(tmp_path / "m.pt2")
