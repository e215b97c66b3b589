"""Exit 1 means a flag and nothing else; these all ended in 1, most with a traceback."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from processes import command

from triggerfish.loading import open_readings

QUICK = ("scan", "--detector", "min-norm", "--steps", 4, "--jobs", 1)


def shell(line: str, *args: object) -> subprocess.CompletedProcess[str]:
    """Run ``line`` by bash; ``"$@"`` in it is the command; its exit code is the command's."""
    script = f"set -o pipefail; {line}"
    return subprocess.run(
        ["bash", "-c", script, "bash", *command(*args)], capture_output=True, text=True
    )


@pytest.mark.parametrize("device", ["cuda", "cuda:7", "gpu", "meta", "abacus"])
def test_a_device_that_is_not_there_is_a_usage_error(
    device: str, triggerfish: Any, models: Path
) -> None:
    run = triggerfish(*QUICK, models, "--device", device)
    assert (run.code, run.out) == (2, "")
    line = run.err.splitlines()[-1]
    assert line.startswith("Error: Invalid value for '--device': expected a device that works here")
    assert device in line


def test_auto_takes_what_there_is(triggerfish: Any, models: Path) -> None:
    assert triggerfish(*QUICK, models / "clean.pt", "--device", "auto").code in (0, 3)


@pytest.mark.parametrize("redirect", [">/dev/full", ">&-"])
def test_a_full_or_closed_output_is_one_line(redirect: str, models: Path) -> None:
    run = shell(f'"$@" {redirect}', *QUICK, models)
    assert run.returncode == 2
    assert len(run.stderr.splitlines()) == 1
    assert "standard output" in run.stderr


def test_a_closed_pipe_ends_the_command_in_silence(tmp_path: Path) -> None:
    for number in range(3000):  # more rows than a pipe holds
        (tmp_path / f"{number:0200}.pt").write_text("not a model")
    run = shell('"$@" | head -n 1', *QUICK, tmp_path)
    assert (run.returncode, run.stderr) == (141, "")


def test_a_name_that_is_no_text_costs_nothing(
    triggerfish: Any, models: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    name = os.fsdecode(b"caf\xe9.pt")
    shutil.copy(models / "planted.pt", folder / name)
    (folder / os.fsdecode(b"z\xff.pt")).write_text("not a model")
    out = tmp_path / "out"
    run = shell('"$@"', *QUICK, "--out", out, folder)
    assert run.returncode == 1, run.stderr
    assert "caf\\xe9.pt" in run.stdout or "caf\\udce9.pt" in run.stdout
    assert run.stdout.splitlines()[-1] == "1 scanned: 1 flagged, 0 inconclusive, 0 clean; 1 skipped"
    as_json = shell('"$@"', *QUICK, "--format", "json", folder)
    assert json.loads(as_json.stdout)["results"][0]["path"].endswith(name)


def test_an_error_that_nobody_expected_is_that_models_own(
    triggerfish: Any, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(path: Path, options: Any) -> Any:
        if path.name == "clean.pt":
            raise ZeroDivisionError("as no loader should\nsecond line")
        return open_readings(path, options)

    monkeypatch.setattr("triggerfish.structure.opening.open_readings", load)
    run = triggerfish(*QUICK, models)
    assert run.code == 1
    assert run.err == "for a page that shows the pattern: scan again with --out FOLDER\n"
    assert "skipped" in run.out.splitlines()[1]
    assert "expected a scan that ends, got ZeroDivisionError: as no loader should (" in run.out
    assert "second line" not in run.out
    assert triggerfish(*QUICK, models / "clean.pt").code == 2


def test_an_error_outside_the_models_is_one_line_and_two(
    triggerfish: Any, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr("triggerfish.runs.files.find_models", fail)
    run = triggerfish(*QUICK, models)
    assert (run.code, run.out) == (2, "")
    assert run.err.startswith("error: this should not happen (ZeroDivisionError: oh (")
    assert len(run.err.splitlines()) == 1
