"""NumPy pickles, archives of models, safetensors' metadata, BackdoorBench's names, the hub."""

import pickle
import sys
import tarfile
import types
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from corpus.valid import state_dict, torch_bytes
from safetensors.torch import save_file

from triggerfish.architectures import PaperCNN
from triggerfish.errors import CheckpointError, UnsupportedModelError
from triggerfish.loading import find_checkpoints, load_classifier, open_model
from triggerfish.loading.formats.backdoorbench import catalogue_name
from triggerfish.loading.guards.beginnings import read_head
from triggerfish.loading.guards.torch_file import unpickled
from triggerfish.loading.weights.containers import parts_of

NETWORK = PaperCNN(3)
STATE = {name: value.numpy() for name, value in NETWORK.state_dict().items()}


def nested() -> dict:
    layers: dict = {}
    for name, value in STATE.items():
        layer, _, key = name.partition(".")
        layers.setdefault(layer, {})[key] = value
    return layers


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("data", [STATE, OrderedDict(STATE), {"params": STATE}, nested()])
def test_a_plain_pickle_of_arrays(data: object, protocol: int, tmp_path: Path) -> None:
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(data, protocol))
    network = open_model(tmp_path / "m.pkl").network
    for name, value in NETWORK.state_dict().items():
        torch.testing.assert_close(network.state_dict()[name], value)


def arrays_in(path: Path) -> dict:
    with unpickled(path, read_head(path)) as found:
        (part,), _ = parts_of(found.data)
    return part.state


def test_arrays_of_any_order_and_type(tmp_path: Path) -> None:
    arrays = {
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "big": np.arange(3, dtype=">f4"),
        "half": np.ones(2, np.float16),
        "flags": np.array([True, False]),
        "empty": np.zeros((0, 3)),
        "number": np.float32(1.5),
    }
    for protocol in range(6):
        (tmp_path / "m.pkl").write_bytes(pickle.dumps(arrays, protocol))
        found = arrays_in(tmp_path / "m.pkl")
        for name, value in arrays.items():
            expected = torch.from_numpy(np.array(value, np.asarray(value).dtype.newbyteorder("=")))
            torch.testing.assert_close(found[name], expected)


def test_a_pickle_cannot_change_how_the_next_is_read(tmp_path: Path) -> None:
    """BUILD on a name would set its attributes, for good."""
    state = b"}X\x0c\x00\x00\x00__defaults__X\x01\x00\x00\x00Fs"
    for name in (b"numpy._core.numeric\n_frombuffer", b"_codecs\nencode", b"numpy\ndtype"):
        program = b"\x80\x02c" + name + b"\n" + b"N" + state + b"\x86b."
        (tmp_path / "m.pkl").write_bytes(program)
        with pytest.raises(CheckpointError, match="broken"):
            arrays_in(tmp_path / "m.pkl")
    array = {"w": np.arange(6.0).reshape(2, 3)}
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(array, 5))
    found = arrays_in(tmp_path / "m.pkl")
    torch.testing.assert_close(found["w"], torch.arange(6.0, dtype=torch.float64).view(2, 3))


@pytest.mark.parametrize("protocol", range(6))
def test_pickled_tensors_are_read_without_the_loader_inside(protocol, tmp_path: Path) -> None:
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(NETWORK.state_dict(), protocol))
    found = arrays_in(tmp_path / "m.pkl")
    assert found.keys() == NETWORK.state_dict().keys()
    for name, value in NETWORK.state_dict().items():
        torch.testing.assert_close(found[name], value)


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_an_archive_of_models_names_them_and_the_command(kind: str, tmp_path: Path) -> None:
    model, path = tmp_path / "a model.pt", tmp_path / f"m.{kind}"
    model.write_bytes(torch_bytes(state_dict()))
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(model, "nets/a model.pt")
    else:
        with tarfile.open(path, "w:gz" if kind == "tar.gz" else "w") as archive:
            archive.add(model, "nets/a model.pt")
    command = "unzip" if kind == "zip" else "tar -xf"
    with pytest.raises(CheckpointError, match=f"nets/a model.pt: unpack it with {command} "):
        open_model(path)


def test_metadata_of_safetensors_is_a_card(tmp_path: Path) -> None:
    said = {"format": "pt", "architecture": "paper_cnn", "mean": "[0.5]", "std": "0.25"}
    save_file(NETWORK.state_dict(), tmp_path / "m.safetensors", said)
    loaded = open_model(tmp_path / "m.safetensors")
    assert loaded.architecture == "paper_cnn"
    assert (loaded.classifier.preprocessing.mean, loaded.classifier.preprocessing.std) == (
        (0.5,),
        (0.25,),
    )
    assert loaded.settings.origin("mean") == "safetensors (its metadata)"


@pytest.mark.parametrize("said", [{"architecture": "os:system"}, {"mean": "many"}])
def test_metadata_of_safetensors_names_no_code_and_no_nonsense(said: dict, tmp_path: Path) -> None:
    save_file(NETWORK.state_dict(), tmp_path / "m.safetensors", said)
    with pytest.raises(CheckpointError, match=r"m\.safetensors"):
        open_model(tmp_path / "m.safetensors")


def test_networks_by_the_names_of_backdoorbench() -> None:
    catalogue = {"kuangliu_preactresnet18", "torchvision_vgg19_bn", "paper_cnn"}
    names = {
        "preactresnet18": "kuangliu_preactresnet18",
        "vgg19_bn": "torchvision_vgg19_bn",
        "resnet18": "torchvision:resnet18",
        "paper_cnn": "paper_cnn",
        "preactresnet50": None,
        "os:system": None,
    }
    assert {name: catalogue_name(name, catalogue) for name in names} == names


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """A stand-in for huggingface_hub with one model; records what was asked of it."""
    asked: list[tuple[object, ...]] = []
    snapshot = tmp_path / "cache" / ("a" * 40)
    snapshot.mkdir(parents=True)
    torch.save(NETWORK.state_dict(), snapshot / "model.pt")

    class HfApi:
        def model_info(self, name: str, revision: str | None) -> object:
            asked.append(("info", name, revision))
            if name == "evil/gone":
                raise OSError("404 not found\nand more")
            return types.SimpleNamespace(sha="a" * 40)

    def snapshot_download(name: str, revision: str, allow_patterns: list[str]) -> str:
        asked.append(("download", name, revision))
        assert not {"*", "*.py"} & set(allow_patterns)
        return str(snapshot)

    fake = types.ModuleType("huggingface_hub")
    fake.HfApi, fake.snapshot_download = HfApi, snapshot_download
    monkeypatch.setitem(sys.modules, "huggingface_hub", fake)
    return asked


@pytest.mark.parametrize("typed", ["hf://owner/name", Path("hf://owner/name")])
def test_a_model_of_the_hub_is_pinned_to_its_commit(typed, hub, tmp_path: Path) -> None:
    found = find_checkpoints([typed])
    assert found == [tmp_path / "cache" / ("a" * 40) / "model.pt"]
    assert hub == [("info", "owner/name", None), ("download", "owner/name", "a" * 40)]


def test_a_revision_of_the_hub_may_be_named(hub) -> None:
    find_checkpoints(["hf://owner/name@v1.0"])
    assert hub[0] == ("info", "owner/name", "v1.0")


@pytest.mark.parametrize("name", ["evil/gone", "only-one", "a/b/c", "../x/y"])
def test_what_the_hub_has_not_is_one_line(name: str, hub) -> None:
    with pytest.raises(
        CheckpointError,
        match=r"^\S* (is no name on the hub|cannot be fetched from).*: (write|check) [^\n]*$",
    ):
        load_classifier(f"hf://{name}")


def test_without_its_package_the_hub_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UnsupportedModelError, match="pip install"):
        find_checkpoints(["hf://owner/name"])


def test_everything_else_stays_offline(hub, tmp_path: Path) -> None:
    torch.save(NETWORK.state_dict(), tmp_path / "m.pt")
    open_model(tmp_path / "m.pt")
    assert hub == []
