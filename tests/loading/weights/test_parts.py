"""Every network in a file is found, read and named; what is not read is said."""

import argparse
import copy
import datetime
import pathlib
import random
import types
from collections import Counter, OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from triggerfish.architectures import PaperCNN
from triggerfish.errors import CheckpointError, UnsupportedModelError
from triggerfish.loading import Hints, LoadOptions, load_classifier, open_readings
from triggerfish.loading.contents import Part
from triggerfish.loading.inspection import inspect_model
from triggerfish.loading.load import Reading
from triggerfish.loading.weights.choices import NetworkChoice
from triggerfish.loading.weights.filling import fill_parts

GIVEN = Hints("test", input_shape=(1, 28, 28), mean=(0.0,), std=(1.0,))
NAMED = Hints("test", architecture="paper_cnn", input_shape=(1, 28, 28), mean=(0.0,), std=(1.0,))


def network(seed: int) -> PaperCNN:
    torch.manual_seed(seed)
    return PaperCNN(5).eval()


GOOD, OTHER = network(0), network(1)
SD, SD2 = GOOD.state_dict(), OTHER.state_dict()


def pre(prefix: str, state: dict | None = None) -> dict:
    return {prefix + key: value for key, value in (SD if state is None else state).items()}


def opened(data: object, tmp_path: Path, given: Hints = NAMED, **options) -> tuple[Reading, ...]:
    torch.save(data, tmp_path / "m.pt")
    return open_readings(tmp_path / "m.pt", LoadOptions(given, **options))


def is_good(reading: Reading, net: nn.Module = GOOD, atol: float = 1e-5) -> bool:
    images = torch.rand(3, 1, 28, 28)
    return torch.allclose(reading.classifier.logits(images), net(images), atol=atol)


ONE = {
    "bare": SD,
    "ddp of compile": pre("module._orig_mod."),
    "compile of ddp": pre("_orig_mod.module."),
    "any prefix": pre("some_wrapper.of_mine."),
    "inner compile": {k.replace(".", "._orig_mod.", 1): v for k, v in SD.items()},
    "inner data parallel": {k.replace(".", ".module.", 1): v for k, v in SD.items()},
    "fsdp": pre("_fsdp_wrapped_module."),
    "lightning": {"state_dict": pre("model."), "callbacks": {}, "hyper_parameters": {"lr": 0.1}},
    "lightning and a loss": {"state_dict": {**pre("net."), "criterion.weight": torch.ones(5)}},
    "lightning and metrics": {
        "state_dict": {
            **pre("model."),
            "val_acc.confmat": torch.zeros(5, 5),
            "train.correct": torch.tensor(3),
            "loss_fn.pos_weight": torch.ones(5),
        }
    },
    "a loss inside": {"state_dict": {**pre("model.net."), "model.loss.weight": torch.ones(5)}},
    "swa": {"n_averaged": torch.tensor(5), **pre("module.")},
    "netC": {"netC": SD, "optimizerC": {"state": {}, "param_groups": []}, "best_bd_acc": 98.0},
    "three deep": {"checkpoint": {"state": {"model": SD}}},
    "numbers beside": {**SD, "epoch": 3, "best": 0.9},
    "arrays": {k: v.numpy() for k, v in SD.items()},
    "layers of their own": {
        name: {k.partition(".")[2]: v for k, v in SD.items() if k.startswith(f"{name}.")}
        for name in ("conv1", "conv2", "fc1", "fc2")
    },
    "in a list": [{"state_dict": SD}, {"epoch": 3}],
    "parameters": {k: nn.Parameter(v) for k, v in SD.items()},
    "random states": {
        "model": SD,
        "torch": torch.get_rng_state(),
        "numpy": np.random.get_state(),
        "python": random.getstate(),
        "generator": np.random.default_rng(0),
    },
    "harmless objects": {
        "state_dict": pre("model."),
        "hyper_parameters": {
            "root": pathlib.PurePosixPath("/data"),
            "at": datetime.datetime(2024, 1, 2),
            "counts": Counter("aab"),
            "space": types.SimpleNamespace(a=1),
            "args": argparse.Namespace(lr=0.1),
            "criterion": nn.CrossEntropyLoss(),
            "scalar": np.float64(0.9),
            "dtype": torch.float32,
            "device": torch.device("cpu"),
            "size": torch.Size([1, 2]),
        },
    },
    "an equal copy": {"state_dict": SD, "state_dict_ema": copy.deepcopy(SD)},
}


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("name", ONE)
def test_one_network_wherever_it_is(name: str, legacy: bool, tmp_path: Path) -> None:
    torch.save(ONE[name], tmp_path / "m.pt", _use_new_zipfile_serialization=not legacy)
    (reading,) = open_readings(tmp_path / "m.pt", LoadOptions(NAMED))
    assert reading.part == ""
    assert is_good(reading)
    assert not any(aside.network for aside in reading.beside)


@pytest.mark.parametrize("name", ["lightning and metrics", "swa", "netC", "layers of their own"])
def test_without_a_name_of_the_network_as_well(name: str, tmp_path: Path) -> None:
    readings = opened(ONE[name], tmp_path, GIVEN)
    assert {reading.part for reading in readings} == {""}
    assert any(r.architecture == "paper_cnn" and is_good(r) for r in readings)


TWO = {
    "timm": ({"state_dict": SD, "state_dict_ema": SD2}, ("state_dict", "state_dict_ema")),
    "yolo": ({"model": SD, "ema": SD2}, ("model", "ema")),
    "torchvision": (
        {"model": SD, "model_ema": {"n_averaged": torch.tensor(3), **pre("module.", SD2)}},
        ("model", "model_ema"),
    ),
    "student and teacher": ({**pre("student."), **pre("teacher.", SD2)}, ("student", "teacher")),
    "momentum contrast": (
        {
            **pre("module.encoder_q."),
            **pre("module.encoder_k.", SD2),
            "module.queue": torch.rand(8, 16),
            "module.queue_ptr": torch.zeros(1, dtype=torch.long),
        },
        ("encoder_q", "encoder_k"),
    ),
    "modules": ([GOOD, OTHER], ("0", "1")),
    "averages in a list": (
        {"model": SD, "ema": {"decay": 0.99, "shadow_params": list(SD2.values())}},
        ("model", "ema.shadow_params"),
    ),
    "names and tensors in lists": ({"a": [*SD.items()], "b": [*SD2.items()]}, ("a", "b")),
    "an average without dots": (
        {
            **pre("model."),
            **{f"model_ema.{key.replace('.', '')}": value for key, value in SD2.items()},
            "model_ema.decay": torch.tensor(0.99),
        },
        ("model", "model_ema"),
    ),
    "an average inside": ({"model": {**SD, **pre("ema.module.", SD2)}}, ("model", "model.ema")),
    "deep": ({"a": {"b": SD}, "c": [{"d": SD2}]}, ("a.b", "c.0.d")),
}


@pytest.mark.parametrize("name", TWO)
def test_every_network_is_read_and_named(name: str, tmp_path: Path) -> None:
    data, keys = TWO[name]
    readings = opened(data, tmp_path)
    assert tuple(reading.part for reading in readings) == keys
    assert is_good(readings[0])
    assert is_good(readings[1], OTHER)
    assert all(f"--state-key {r.part}" in r.options for r in readings)


def test_an_average_of_parameters_has_the_statistics_of_its_network() -> None:
    """Trainers that average what ``named_parameters`` lists keep no running statistics of it."""
    net, average = (nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)) for _ in range(2))
    state, parameters = net.state_dict(), dict(average.named_parameters())
    choice = NetworkChoice("net", net, Hints("test"))

    def find(part: Part) -> tuple[NetworkChoice, ...]:
        if part.state.keys() != state.keys():
            raise UnsupportedModelError("expected all keys")
        return (choice,)

    parts = [Part("model", state), Part("ema", {k: v.detach() for k, v in parameters.items()})]
    filled, beside = fill_parts(parts, (), find, None, named=True)
    assert [one.part.key for one in filled] == ["model", "ema"]
    assert beside == ()
    assert torch.equal(filled[1].part.state["0.weight"], average[0].weight)
    assert torch.equal(filled[1].part.state["1.running_var"], state["1.running_var"])


def test_two_networks_in_one_safetensors_file(tmp_path: Path) -> None:
    save_file({**pre("model."), **pre("ema.", SD2)}, tmp_path / "m.safetensors")
    readings = open_readings(tmp_path / "m.safetensors", LoadOptions(NAMED))
    assert {reading.part: is_good(reading) for reading in readings} == {"ema": False, "model": True}


def test_one_of_several_is_chosen_by_its_key(tmp_path: Path) -> None:
    torch.save({"state_dict": SD, "state_dict_ema": SD2}, tmp_path / "m.pt")
    known = {"architecture": "paper_cnn", "input_shape": (1, 28, 28)}
    images = torch.rand(2, 1, 28, 28)
    for key, net in (("state_dict", GOOD), ("state_dict_ema", OTHER)):
        found = load_classifier(tmp_path / "m.pt", state_key=key, **known)
        given = Hints("test", **known, state_key=key)
        (reading, *_) = open_readings(tmp_path / "m.pt", LoadOptions(given))
        assert [aside.why for aside in reading.beside] == ["not asked for"]
        assert not any(aside.network for aside in reading.beside)
        scale, shift = found.preprocessing.affine(1)
        torch.testing.assert_close(
            found.logits(images), net(images * scale + shift), atol=1e-3, rtol=1e-4
        )
    with pytest.raises(
        UnsupportedModelError,
        match=r"no weights at --state-key 'ema2'.*'state_dict', 'state_dict_ema'",
    ):
        load_classifier(tmp_path / "m.pt", state_key="ema2", **known)


def test_a_network_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    odd = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(2704, 5)).state_dict()
    (reading,) = opened({"netC": SD, "netD": odd}, tmp_path)
    assert reading.part == "netC"
    assert [(a.key, a.network) for a in reading.beside] == [("netD", True)]
    with pytest.raises(UnsupportedModelError, match="netD is not"):
        opened({"netC": SD, "netD": odd}, tmp_path, strict=True)


def test_what_is_no_classifier_is_named_and_harmless(tmp_path: Path) -> None:
    generator = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ConvTranspose2d(8, 1, 3)).state_dict()
    optimizer = torch.optim.SGD(GOOD.parameters(), 0.1, momentum=0.9)
    GOOD(torch.rand(1, 1, 28, 28)).sum().backward()
    optimizer.step = lambda: None  # type: ignore[method-assign]
    data = {"netC": SD, "netG": generator, "optimizer": optimizer.state_dict()}
    (reading,) = opened(data, tmp_path)
    assert not any(aside.network for aside in reading.beside)
    assert {aside.key for aside in reading.beside} == {"netG", "optimizer"}


def test_weights_in_a_list_that_fit_nothing_are_said(tmp_path: Path) -> None:
    weights = [v for layer in (nn.Linear(6, 5), nn.Linear(5, 2)) for v in layer.parameters()]
    (reading,) = opened({"model": SD, "other": [p.detach() for p in weights]}, tmp_path)
    assert [(a.key, a.network) for a in reading.beside] == [("other", True)]
    pictures = [torch.rand(2, 1, 4, 4), torch.rand(2, 1, 4, 4)]
    (reading,) = opened({"model": SD, "examples": pictures}, tmp_path)
    assert [(a.key, a.network) for a in reading.beside] == [("examples", False)]


def test_a_broken_second_network_is_said(tmp_path: Path) -> None:
    broken = {**SD2, "fc2.bias": torch.full((5,), torch.nan)}
    (reading,) = opened({"model": SD, "ema": broken}, tmp_path)
    assert [(a.key, a.network) for a in reading.beside] == [("ema", True)]
    assert "NaN" in reading.beside[0].why


def test_norms_and_activations_are_not_left_out(tmp_path: Path) -> None:
    """Parameters of a layer that the plain chain does not have change the function."""
    for extra in ({"prelu.weight": torch.full((1,), 0.2)}, {"norm1.weight": torch.ones(32)}):
        with pytest.raises((UnsupportedModelError, CheckpointError)):
            opened({**SD, **extra}, tmp_path, GIVEN)


def test_left_out_weights_are_a_fact(tmp_path: Path) -> None:
    (reading,) = opened(ONE["lightning and a loss"], tmp_path)
    left_out = [fact for fact in reading.classifier.facts if fact.name == "left out"]
    assert [fact.value for fact in left_out] == ["criterion.weight"]


def test_a_normalization_in_the_file_is_used(tmp_path: Path) -> None:
    state = {**pre("model."), "normalize.mean": torch.full((1, 1, 1), 0.5)}
    state["normalize.std"] = torch.full((1, 1, 1), 0.25)
    given = Hints("test", architecture="paper_cnn", input_shape=(1, 28, 28))
    (reading,) = opened(state, tmp_path, given)
    assert reading.classifier.preprocessing.mean == (0.5,)
    assert reading.classifier.preprocessing.std == (0.25,)


def test_inspect_lists_the_networks(tmp_path: Path) -> None:
    torch.save({"state_dict": SD, "state_dict_ema": SD2, "copy": dict(SD)}, tmp_path / "m.pt")
    found = inspect_model(tmp_path / "m.pt", LoadOptions(NAMED))
    assert found.networks == (
        ("state_dict", "scanned as paper_cnn"),
        ("state_dict_ema", "scanned as paper_cnn"),
        ("copy", "not scanned: the same weights as state_dict"),
    )


def test_keys_of_an_unknown_network_among_several(tmp_path: Path) -> None:
    odd = {"odd.weight": torch.ones(3, 3, 2, 2)}
    torch.save({"a": odd, "b": OrderedDict(odd, more=torch.ones(2))}, tmp_path / "m.pt")
    found = inspect_model(tmp_path / "m.pt")
    assert found.problem is not None
    assert found.networks == (("a", "1 tensors"), ("b", "2 tensors"))
