"""What runs in the child process: programs, and pickled modules on request."""

import os
import socket
from pathlib import Path

import pytest
import torch
from corpus.programs import Hungry
from corpus.valid import Tiny, torchscript
from forked import fork_sandbox

from triggerfish.errors import CheckpointError, UnsupportedModelError
from triggerfish.loading import Hints, LoadOptions, load_classifier
from triggerfish.loading.guards import confinement
from triggerfish.loading.guards.sandbox import probe
from triggerfish.model.classifier import Preprocessing

SHAPE = (1, 6, 6)


def options(shape: tuple[int, int, int] = SHAPE) -> LoadOptions:
    return LoadOptions(Hints("test", input_shape=shape))


class Connects:
    def __reduce__(self):
        return (socket.create_connection, (("127.0.0.1", 9),))


class Starts:
    def __init__(self, target: Path) -> None:
        self.target = str(target)

    def __reduce__(self):
        return (os.execv, ("/bin/touch", ["touch", self.target]))


def test_a_program_passes_or_its_reason_comes_back(tmp_path: Path) -> None:
    (tmp_path / "m.pt").write_bytes(torchscript())
    probe(tmp_path / "m.pt", options())
    with pytest.raises(UnsupportedModelError, match="takes images of shape"):
        probe(tmp_path / "m.pt", options((1, 9, 9)))


def test_a_hungry_program_is_stopped_before_it_runs_here(tmp_path: Path) -> None:
    torch.jit.save(torch.jit.script(Hungry()), tmp_path / "m.pt")
    with pytest.raises(UnsupportedModelError, match="memory"):
        load_classifier(tmp_path / "m.pt", input_shape=SHAPE)


class Mixes(torch.nn.Module):
    """Normalizes over the batch, as a network in training mode does."""

    def forward(self, x):
        return (x - x.mean(0)).flatten(1)


def test_a_program_that_mixes_its_images_is_refused(tmp_path: Path) -> None:
    torch.jit.save(torch.jit.script(Mixes()), tmp_path / "m.pt")
    with pytest.raises(UnsupportedModelError, match="each image by itself"):
        load_classifier(tmp_path / "m.pt", input_shape=SHAPE)


def test_a_file_that_hangs_its_reader_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    fork_sandbox(monkeypatch)
    monkeypatch.setattr(confinement, "CPU_SECONDS", 2)
    with pytest.raises(UnsupportedModelError, match="little processor time"):
        load_classifier(Path(__file__).parents[1] / "data" / "hanging.h5")


def test_a_pickled_module_needs_consent_and_comes_with_a_warning(tmp_path: Path) -> None:
    torch.manual_seed(0)
    layers = torch.nn.Unflatten(1, (1, 36)), torch.nn.Flatten(), torch.nn.Linear(36, 4)
    model = torch.nn.Sequential(torch.nn.Flatten(), *layers).eval()  # not all are built anew
    torch.save(model, tmp_path / "m.pt")
    with pytest.raises(UnsupportedModelError, match="--unsafe-pickle"):
        load_classifier(tmp_path / "m.pt", input_shape=SHAPE)
    with pytest.warns(UserWarning, match="runs code from the file"):
        loaded = load_classifier(
            tmp_path / "m.pt", input_shape=SHAPE, preprocessing=Preprocessing(), unsafe_pickle=True
        )
    images = torch.rand(3, *SHAPE)
    torch.testing.assert_close(loaded.logits(images), model(images))


@pytest.mark.filterwarnings("ignore:.*runs code from the file")
def test_unpickled_code_has_no_network_and_starts_nothing(tmp_path: Path) -> None:
    for payload in (Connects(), Starts(tmp_path / "CANARY")):
        torch.save(payload, tmp_path / "m.pt")
        with pytest.raises(CheckpointError, match="Permission denied"):
            load_classifier(tmp_path / "m.pt", input_shape=SHAPE, unsafe_pickle=True)
    assert not (tmp_path / "CANARY").exists()


def test_a_tiny_network_is_what_it_is() -> None:
    """The corpus' base model is a classifier: its damaged copies fail for their damage."""
    assert Tiny()(torch.rand(2, *SHAPE)).shape == (2, 3)
