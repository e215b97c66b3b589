import sys
import types
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from triggerfish.architectures import ARCHITECTURES, PaperCNN
from triggerfish.errors import UnsupportedModelError
from triggerfish.loading import load_classifier, open_model
from triggerfish.loading.weights.by_name import parse_arch_args

SOURCE = """
from torch import nn

class Net(nn.Sequential):
    def __init__(self, hidden, kind="plain"):
        assert kind == "plain"
        super().__init__(nn.Flatten(), nn.Linear(48, hidden), nn.ReLU(), nn.Linear(hidden, 3))
"""


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    (tmp_path / "nets.py").write_text(SOURCE)
    network = nn.Sequential(nn.Flatten(), nn.Linear(48, 7), nn.ReLU(), nn.Linear(7, 3))
    torch.save(network.state_dict(), tmp_path / "m.pt")
    return tmp_path / "m.pt"


def test_from_a_file_with_arguments(checkpoint: Path) -> None:
    name = f"{checkpoint.parent / 'nets.py'}:Net"
    classifier = load_classifier(
        checkpoint, architecture=name, arch_args={"hidden": 7}, input_shape=(3, 4, 4)
    )
    assert classifier.num_classes == 3


def test_from_a_module(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(checkpoint.parent)
    classifier = load_classifier(
        checkpoint, architecture="nets:Net", arch_args={"hidden": 7}, input_shape=(3, 4, 4)
    )
    assert classifier.num_classes == 3


class Zoo(nn.Sequential):
    """What stands in for a network of a model zoo: its head is not the last of its sorted keys."""

    def __init__(self, num_classes: int, in_chans: int) -> None:
        super().__init__()
        self.stem, self.flat = nn.Conv2d(in_chans, 7, 2), nn.Flatten()
        self.head, self.norm = nn.Linear(63, num_classes), nn.BatchNorm1d(num_classes)
        self.pretrained_cfg = {"input_size": (3, 4, 4), "mean": (0.5,) * 3, "std": (0.2,) * 3}


@pytest.mark.parametrize("package", ["timm", "torchvision"])
@pytest.mark.parametrize("channels", [1, 3])
def test_sizes_come_from_the_network_that_a_zoo_builds(
    package: str, channels: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a stand-in for the package, which is not installed everywhere; keys are sorted."""
    asked = []

    def make(name: str, num_classes: int = 1000, in_chans: int = 3, **rest: object) -> nn.Module:
        asked.append((name, num_classes, in_chans, rest))
        return Zoo(num_classes, in_chans)

    fake, models = types.ModuleType(package), types.ModuleType(f"{package}.models")
    fake.create_model = models.get_model = make
    fake.models = models
    monkeypatch.setitem(sys.modules, package, fake)
    monkeypatch.setitem(sys.modules, f"{package}.models", models)
    state = Zoo(6, channels).state_dict()
    save_file({f"model.{key}": state[key] for key in sorted(state)}, tmp_path / "m.safetensors")
    name = f"{package}:tiny_net"
    if package == "torchvision" and channels == 1:  # its networks have three channels
        with pytest.raises(UnsupportedModelError, match="misshapen"):
            load_classifier(tmp_path / "m.safetensors", architecture=name)
        return
    loaded = load_classifier(tmp_path / "m.safetensors", architecture=name)
    assert [call[:3] for call in asked] == [("tiny_net", 1000, 3), ("tiny_net", 6, channels)]
    assert not any(rest.get("pretrained") or rest.get("weights") for *_, rest in asked)
    assert (loaded.input_shape, loaded.num_classes) == ((channels, 4, 4), 6)
    if channels == 3:
        assert loaded.preprocessing.std == (0.2, 0.2, 0.2)


def test_sizes_of_a_network_of_the_catalogue_do_not_come_from_the_order(tmp_path: Path) -> None:
    state = ARCHITECTURES["small_resnet"](7, 3).state_dict()
    save_file({key: state[key] for key in sorted(state)}, tmp_path / "m.safetensors")
    found = load_classifier(tmp_path / "m.safetensors", architecture="small_resnet")
    assert (found.num_classes, found.input_shape[0]) == (7, 3)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing", "paper_cnn"),
        ("no.such.module:Net", "cannot be imported"),
        ("os:sep", "a class or a function"),
        ("builtins:dict", "torch.nn.Module"),
        ("missing.py:Net", "cannot be imported"),
        ("timm:hf-hub:evil/net", "name of a timm model"),
        ("torchvision:../net", "name of a torchvision model"),
        ("torch.nn:Conv2d", "--arch-args"),
        ("paper_cnn", "misshapen"),
    ],
)
def test_what_cannot_be_built_says_so(name: str, message: str, tmp_path: Path) -> None:
    state = PaperCNN().state_dict()
    state["fc1.weight"] = torch.ones(3, 3)
    torch.save(state, tmp_path / "m.pt")
    with pytest.raises(UnsupportedModelError, match=message) as caught:
        load_classifier(tmp_path / "m.pt", architecture=name)
    assert "\n" not in str(caught.value)


def test_a_misfit_lists_missing_unexpected_and_misshapen_keys(tmp_path: Path) -> None:
    state = PaperCNN().state_dict()
    del state["conv1.bias"]
    state |= {"extra": torch.ones(2), "fc2.bias": torch.ones(4)}
    torch.save(state, tmp_path / "m.pt")
    with pytest.raises(UnsupportedModelError) as caught:
        load_classifier(tmp_path / "m.pt", architecture="paper_cnn")
    assert "1 missing (conv1.bias); 1 unexpected (extra); 1 misshapen (fc2.bias" in str(
        caught.value
    )


def test_the_builtin_that_fits_is_named_and_random_state_is_kept(tmp_path: Path) -> None:
    torch.save(PaperCNN(4, 3).state_dict(), tmp_path / "m.pt")
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    loaded = open_model(tmp_path / "m.pt")
    assert torch.rand(1) == expected
    assert loaded.builtin == "paper_cnn"
    assert loaded.classifier.input_shape == (3, 28, 28)
    assert loaded.classifier.num_classes == 4


def test_arch_args() -> None:
    pairs = ["depth=3", "name=wide", "dims=[1, 2]", "flag=True", "text=a=b"]
    expected = {"depth": 3, "name": "wide", "dims": [1, 2], "flag": True, "text": "a=b"}
    assert parse_arch_args(pairs) == expected
    with pytest.raises(ValueError, match="key=value"):
        parse_arch_args(["depth"])
