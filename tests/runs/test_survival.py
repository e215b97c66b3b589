"""Processes that are killed at random, that share a folder, that run into a full disk."""

import os
import random
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from runs.stub import Stub, content, make_models

from triggerfish.errors import OutputError
from triggerfish.runs.folder import RESULTS, RunFolder
from triggerfish.runs.model import Model
from triggerfish.runs.run import here, run


def forked(body: Callable[[], None]) -> int:
    """Run ``body`` in a copy of this process; returns its id."""
    child = os.fork()
    if child == 0:
        try:
            body()
            os._exit(0)
        except BaseException:
            os._exit(1)
    return child


def scan(models: list[Model], out: Path, log: Path | None = None, seconds: float = 0.0) -> None:
    """A whole run."""
    folder = RunFolder(out)
    for _ in run(models, Stub(log, seconds), here, folder):
        pass
    folder.close()


@pytest.mark.parametrize(
    "kills",
    [15, pytest.param(60, marks=pytest.mark.slow), pytest.param(200, marks=pytest.mark.slow)],
)
def test_kills_at_any_moment_lose_nothing(kills: int, tmp_path: Path) -> None:
    models = make_models(tmp_path / "in", 60)
    scan(models, tmp_path / "undisturbed")
    generator, killed, log = random.Random(kills), 0, tmp_path / "log"
    began = 0
    while killed < kills:
        child = forked(lambda: scan(models, tmp_path / "out", log))
        time.sleep(generator.uniform(0, 0.15))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        killed += os.WIFSIGNALED(status)
        began += 1
        if not os.WIFSIGNALED(status):  # all done: make some work, by losing lines and folders
            lose_some(tmp_path / "out", generator)
    scan(models, tmp_path / "out")
    assert content(tmp_path / "out") == content(tmp_path / "undisturbed")
    leftovers = {file.name for file in (tmp_path / "out").glob(".*")}
    assert leftovers == {".locks"}
    if began == kills:
        begun = [line for line in log.read_text().splitlines() if "begin" in line]
        assert len(begun) <= len(models) + kills


def lose_some(out: Path, generator: random.Random) -> None:
    lines = (out / RESULTS).read_bytes().splitlines(keepends=True)
    kept = generator.sample(lines, len(lines) // 2)
    (out / RESULTS).write_bytes(b"".join(kept))


def test_processes_that_share_a_folder_share_the_work(tmp_path: Path) -> None:
    models = make_models(tmp_path / "in", 40)
    scan(models, tmp_path / "undisturbed")
    log = tmp_path / "log"
    children = [forked(lambda: scan(models, tmp_path / "out", log, 0.02)) for _ in range(4)]
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    assert content(tmp_path / "out") == content(tmp_path / "undisturbed")
    begun = [line.split() for line in log.read_text().splitlines() if "begin" in line]
    assert len(begun) == len({name for *_, name in begun}) == 40, "each once, by one of them"
    assert len({pid for _, _, pid, _ in begun}) == 4


def test_a_killed_process_is_replaced_by_the_other(tmp_path: Path) -> None:
    models = make_models(tmp_path / "in", 10)
    log = tmp_path / "log"
    stuck = forked(lambda: scan(models[:1], tmp_path / "out", log, 600))
    while not log.exists():
        time.sleep(0.01)
    other = forked(lambda: scan(models, tmp_path / "out"))
    while len((tmp_path / "out" / RESULTS).read_bytes().splitlines()
              if (tmp_path / "out" / RESULTS).exists() else []) < 9:  # fmt: skip
        time.sleep(0.01)
    time.sleep(0.5)
    assert os.waitpid(other, os.WNOHANG) == (0, 0), "it waits for the model that is in other hands"
    os.kill(stuck, signal.SIGKILL)
    os.waitpid(stuck, 0)
    assert os.waitpid(other, 0)[1] == 0
    assert len(content(tmp_path / "out")[0]) == 10


def test_a_full_disk_is_one_error_and_the_folder_stays_whole(tmp_path: Path) -> None:
    models = make_models(tmp_path / "in", 30)
    scan(models, tmp_path / "undisturbed")

    def fill() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        size = (tmp_path / "undisturbed" / RESULTS).stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, size // 2))
        try:
            scan(models, tmp_path / "out")
        except OutputError as error:
            os._exit(3 if "File too large" in str(error) else 4)

    child = forked(fill)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
    lines, _ = content(tmp_path / "out")
    assert 5 < len(lines) < 30
    scan(models, tmp_path / "out")
    assert content(tmp_path / "out") == content(tmp_path / "undisturbed")
