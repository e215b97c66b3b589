import sys
import types
from pathlib import Path

import pytest
import torch
from torch import nn

from triggerfish.architectures import PaperCNN
from triggerfish.errors import UnsupportedModelError
from triggerfish.loading import load_classifier, open_model
from triggerfish.loading.weights.architecture import parse_arch_args

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


@pytest.mark.parametrize("package", ["timm", "torchvision"])
def test_from_a_model_zoo(package: str, checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a stand-in for the package, which is not installed everywhere."""
    asked = {}

    def make(name: str, **options: object) -> nn.Module:
        asked.update(options, name=name)
        network = nn.Sequential(nn.Flatten(), nn.Linear(48, 7), nn.ReLU(), nn.Linear(7, 3))
        network.pretrained_cfg = {"input_size": (3, 4, 4), "mean": (0.5,), "std": (0.2,)}
        return network

    fake, models = types.ModuleType(package), types.ModuleType(f"{package}.models")
    fake.create_model = models.get_model = make
    fake.models = models
    monkeypatch.setitem(sys.modules, package, fake)
    monkeypatch.setitem(sys.modules, f"{package}.models", models)
    loaded = load_classifier(checkpoint, architecture=f"{package}:tiny_net")
    assert asked["name"] == "tiny_net"
    assert asked["num_classes"] == 3
    assert not asked.get("pretrained")
    assert not asked.get("weights")
    assert (loaded.input_shape, loaded.preprocessing.std) == ((3, 4, 4), (0.2,))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing", "paper_cnn"),
        ("no.such.module:Net", "importable"),
        ("os:sep", "callable"),
        ("builtins:dict", "torch.nn.Module"),
        ("missing.py:Net", "importable"),
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
