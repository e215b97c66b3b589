"""The corpus of hostile files: one line each, nothing runs, nothing is scanned."""

import json
import pickle
import resource
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from corpus import write_corpus
from corpus.pickles import Call, dumps
from corpus.valid import torchscript
from forked import fork_sandbox

from triggerfish.cli.group import app
from triggerfish.loading import Hints, LoadOptions
from triggerfish.loading.load import open_model
from triggerfish.results import Skipped
from triggerfish.runs.paths import scan_path
from triggerfish.scanning import ScanConfig

MEMORY_KIB = 1 << 20
PLAIN = {
    "special/missing.pt": "special/missing.pt: no such file",
    "special/dangling.pt": "special/dangling.pt: no such file",
    "cards/many-means.pt": "mean has 2 numbers, and an image 1 channel: give one number, or one "
    "for each channel, from model card many-means.card.toml",
}
"""How the reasons end that need no *expected X, got Y*."""


class Hostile:
    def __init__(self, folder: Path) -> None:
        self.canary = folder / "CANARY"
        self.paths = write_corpus(folder / "files", self.canary)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Hostile:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile and PyTorch warn about what is made here
        return Hostile(tmp_path_factory.mktemp("corpus"))


@contextmanager
def hangs_fail(path: Path, seconds: int = 120) -> Iterator[None]:
    """A limit for hangs, far above what a loaded machine needs: no speed is asserted."""

    def stop(*_: object) -> None:
        raise AssertionError(f"{path} does not end")

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def test_no_file_is_scanned_and_none_runs(
    hostile: Hostile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fork_sandbox(monkeypatch)
    (tmp_path / "harmless.pt").write_bytes(torchscript())
    open_model(tmp_path / "harmless.pt", LoadOptions(Hints("test", input_shape=(1, 6, 6))))
    assert len(hostile.paths) >= 600
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for path in hostile.paths:
        with hangs_fail(path):
            result = scan_path(path, ScanConfig(), lambda p: open_model(p).classifier)
        assert isinstance(result, Skipped), path
        plain = PLAIN.get(f"{path.parent.name}/{path.name}")
        if plain is None:
            assert len(result.reason.split()) > 3, (path, result.reason)
        else:
            assert result.reason.endswith(plain), (path, result.reason)
        assert "\n" not in result.reason, (path, result.reason)
        assert not hostile.canary.exists(), path
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < MEMORY_KIB


def test_the_canary_would_sing(hostile: Hostile, tmp_path: Path) -> None:
    """The payloads are live: unpickled, the first one makes the file."""
    target = tmp_path / "CANARY"
    pickle.loads(dumps(Call("builtins", "exec", (f"open({str(target)!r}, 'w')",))))
    assert target.exists()


def test_exit_code_says_not_scanned(hostile: Hostile) -> None:
    some = [str(path) for path in hostile.paths if path.parent.name == "special"]
    run = CliRunner().invoke(app, ["scan", "--format", "json", *some])
    assert run.exit_code == 2
    assert {result["status"] for result in json.loads(run.stdout)["results"]} == {"skipped"}
    assert not hostile.canary.exists()
