"""The run options of ``triggerfish scan``, and what reads a run folder."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from processes import command, descendants

from triggerfish.detectors import MinNorm
from triggerfish.loading import LoadOptions, open_readings
from triggerfish.runs.files import FileScan, find_sources
from triggerfish.scanning import ScanConfig

Cli = Callable[..., SimpleNamespace]
MIN_NORM = ("--detector", "min-norm", "--steps", 4)
QUICK = ("scan", *MIN_NORM, "--jobs", 1)
HANGS = "TRIGGERFISH_TEST_HANGS"


@pytest.fixture
def folder(models: Path, tmp_path: Path) -> Path:
    """Two models, one of them twice, and a file that is none."""
    target = tmp_path / "in"
    shutil.copytree(models, target)
    shutil.copy(target / "clean.pt", target / "again.pt")
    (target / "broken.pt").write_text("not a model")
    return target


def lines(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "results.jsonl").read_text().splitlines()]


def test_the_same_command_again_goes_on(triggerfish: Cli, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = triggerfish(*QUICK, folder, "--out", out)
    pages = f"page of all models: {out}/report.html\n"
    assert first.code == 1
    assert re.fullmatch(f"page of .*planted.pt: {out}/.*/report.html\n{pages}", first.err)
    assert [line["outcome"] for line in lines(out)] == ["clean", "skipped", "backdoored"]
    assert [Path(path).name for path in lines(out)[0]["paths"]] == ["again.pt", "clean.pt"]
    (folder / "planted.pt").unlink()
    shutil.copy(folder / "clean.pt", folder / "third.pt")
    second = triggerfish(*QUICK, folder, "--out", out)
    assert second.err == f"2 of 2 already scanned ({out})\n{pages}"
    assert second.code == 3
    rows = [line.split()[0] for line in second.out.splitlines()[1:5]]
    assert rows == ["clean", "clean", "clean", "skipped"]
    status = triggerfish("status", out)
    assert status.out.splitlines()[:2] == [
        "3 of 3 models done",
        "1 flagged, 0 inconclusive, 1 clean, 1 skipped, 0 failed",
    ]
    assert json.loads(triggerfish("status", out, "--format", "json").out)["flagged"] == 1


def test_shards_and_lists(
    triggerfish: Cli, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing = tmp_path / "list.csv"
    listing.write_text("path,num_classes\nin/planted.pt,\nin/clean.pt,10\nin/broken.pt,\n")
    for index in (1, 2):
        triggerfish(
            *QUICK, "--from", listing, "--shard", f"{index}/2", "--out", tmp_path / str(index)
        )
    counts = [len(lines(tmp_path / str(index))) for index in (1, 2)
              if (tmp_path / str(index) / "results.jsonl").exists()]  # fmt: skip
    assert sum(counts) == 3
    runs = [tmp_path / str(index) for index in (1, 2) if (tmp_path / str(index)).exists()]
    run = triggerfish(
        "merge", tmp_path / "all", *[r for r in runs if (r / "results.jsonl").exists()]
    )
    assert run.out == f"{tmp_path / 'all'}: 3 models added, 0 already there\n"
    assert {line["outcome"] for line in lines(tmp_path / "all")} == {
        "clean", "skipped", "backdoored"
    }  # fmt: skip


def test_a_share_without_a_model_says_so(triggerfish: Cli, folder: Path, tmp_path: Path) -> None:
    """One file in a thousand shares: at most one of two has it."""
    runs = [
        triggerfish("scan", folder / "broken.pt", "--shard", f"{index}/1000") for index in (1, 2)
    ]
    empty = next(run for run in runs if "falls into shard" in run.err)
    assert empty.code == 0
    assert "/1000: nothing to do" in empty.err


def test_a_list_from_stdin(folder: Path) -> None:
    run = subprocess.run(
        command(*QUICK, "--from", "-", "--exclude", "broken*", "--format", "jsonl"),
        input=f"{folder}\n", capture_output=True, text=True,
    )  # fmt: skip
    found = [json.loads(line) for line in run.stdout.splitlines()]
    assert [Path(line["path"]).name for line in found] == ["again.pt", "clean.pt", "planted.pt"]
    assert run.returncode == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name a model file or a folder, or a list of them with --from"),
        (("-",), "a list of paths from stdin is read with --from -, not with -"),
        (("{in}", "--include", "*.onnx"), "none of 4 model files matches --include and --exclude"),
        (("{in}", "--rescan"), "--rescan needs the run folder: add --out FOLDER"),
        (("{in}", "--shard", "3/2"), "--shard takes a share of all, such as 1/4, not 3/2"),
        (("{in}", "--from", "{in}/none.csv"), "none.csv: no such file or directory"),
        (("--ray", "{in}"), "--ray takes the address of a Ray cluster, not the path"),
    ],
)
def test_mistakes_are_found_first(
    arguments: tuple[str, ...], message: str, triggerfish: Cli, folder: Path
) -> None:
    run = triggerfish("scan", *[a.replace("{in}", str(folder)) for a in arguments])
    assert (run.code, run.out) == (2, "")
    assert message in run.err


def hang_on_some(options: LoadOptions, path: Path) -> Any:
    """Loads a model; never ends where the environment says so."""
    if path.name == os.environ.get(HANGS):
        time.sleep(600)
    return open_readings(path, options)


def test_a_model_that_hangs_is_given_up(
    triggerfish: Cli, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HANGS, "planted.pt")
    config = ScanConfig(MinNorm(steps=4))
    settings = FileScan(config, tmp_path / "out", timeout=20, load=hang_on_some)
    assert len(list(settings.start(find_sources([folder])).rows())) == 4
    outcomes = {Path(line["path"]).name: line for line in lines(tmp_path / "out")}
    assert outcomes["planted.pt"]["kind"] == "failed"
    assert outcomes["planted.pt"]["reasons"][0]["text"] == (
        "expected an end within 20 s, got none: raise --timeout"
    )
    monkeypatch.delenv(HANGS)
    assert triggerfish(*QUICK, folder, "--out", tmp_path / "out", "--timeout", 60).code == 1


@pytest.mark.slow
def test_kills_of_whole_scans_lose_nothing(models: Path, tmp_path: Path) -> None:
    """Fifty kills of the real command with two workers, then the run that was never disturbed."""
    import random

    import torch

    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(120):
        state = torch.load(models / ("planted.pt" if number % 3 else "clean.pt"), weights_only=True)
        state["fc1.bias"] = state["fc1.bias"] + number * 1e-4
        torch.save(state, folder / f"{number:03}.pt")
    options = ("scan", *MIN_NORM, "--jobs", 2, folder, "--out")
    subprocess.run(command(*options, tmp_path / "undisturbed"), capture_output=True, check=False)
    generator = random.Random(0)
    for _ in range(50):
        process = subprocess.Popen(
            command(*options, tmp_path / "out"), stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            process.wait(generator.uniform(2, 12))
            shutil.rmtree(tmp_path / "out")  # all was done: once more from the beginning
        except subprocess.TimeoutExpired:
            family = descendants(process.pid)
            process.kill()
            process.wait()
            for pid in family:
                if generator.random() < 0.5:
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        continue
    subprocess.run(command(*options, tmp_path / "out"), capture_output=True, check=False)
    assert results(tmp_path / "out") == results(tmp_path / "undisturbed")


def results(run: Path) -> dict[str, dict[str, Any]]:
    """The last line of each key without what differs from run to run."""
    found = {}
    for line in lines(run):
        line.pop("seconds")
        found[line["key"]] = line
    return found
