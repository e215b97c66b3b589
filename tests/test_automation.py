"""The pre-commit hook and the GitHub Action, run as far as that goes without their services."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from click.testing import CliRunner

from triggerfish.architectures.paper_cnn import PaperCNN
from triggerfish.cli.group import app
from triggerfish.loading.discovery import MODEL_SUFFIXES

ROOT = Path(__file__).parents[1]
QUICK = ("--detector", "min-norm", "--steps", "4", "--jobs", "1")


class Evil:
    """Runs a harmless command when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("true",)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``fine.pt``, of random weights, and ``evil.pt``."""
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(3)
    network = PaperCNN()
    with torch.no_grad():
        network.fc2.weight *= 40
    torch.save(network.state_dict(), folder / "fine.pt")
    torch.save(Evil(), folder / "evil.pt")
    return folder


@pytest.fixture(scope="module")
def hook() -> dict[str, Any]:
    (only,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert isinstance(only, dict)
    return only


def test_the_hook_is_given_every_suffix_of_a_model(hook: dict[str, Any]) -> None:
    pattern = re.compile(hook["files"])
    assert all(pattern.search(f"a/model{suffix}") for suffix in MODEL_SUFFIXES)
    assert not pattern.search("a/model.py")
    assert not pattern.search("a/pt")
    found = re.findall(r"\w+", pattern.pattern)
    assert {f".{suffix}" for suffix in found} == MODEL_SUFFIXES


@pytest.mark.parametrize(("name", "code"), [("fine.pt", 0), ("evil.pt", 4)])
def test_the_hook_runs_as_it_is_written(
    name: str, code: int, hook: dict[str, Any], models: Path
) -> None:
    program, *words = hook["entry"].split()
    assert program == "triggerfish"
    run = CliRunner().invoke(app, [*words, *QUICK, str(models / name)])
    assert run.exit_code == code, run.output


@pytest.fixture(scope="module")
def action() -> dict[str, Any]:
    loaded = yaml.safe_load((ROOT / "action.yml").read_text())
    assert isinstance(loaded, dict)
    return loaded


def test_the_action_takes_inputs_through_the_environment_only(action: dict[str, Any]) -> None:
    """An input inside a script could end the command and begin another."""
    for step in action["runs"]["steps"]:
        assert "${{" not in step.get("run", "")
        assert ("run" in step) == ("shell" in step)
    text = (ROOT / "action.yml").read_text()
    assert set(re.findall(r"inputs\.([\w-]+)", text)) == set(action["inputs"])


@pytest.mark.parametrize(("names", "code"), [(["fine.pt"], 0), (["fine.pt", "evil.pt"], 4)])
def test_the_scan_of_the_action(
    names: list[str], code: int, action: dict[str, Any], models: Path, tmp_path: Path
) -> None:
    step = next(s for s in action["runs"]["steps"] if s.get("name") == "Scan")
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "triggerfish"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m triggerfish "$@"\n')
    program.chmod(0o755)
    given = {
        **{name: values.get("default", "") for name, values in action["inputs"].items()},
        "paths": "\n".join(str(models / name) for name in names),
        "options": " ".join(QUICK),
    }
    variables = {
        key: re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda m: given[m[1]], value)
        for key, value in step["env"].items()
    }
    summary = tmp_path / "summary.md"
    environment = {
        **os.environ,
        **variables,
        "GITHUB_STEP_SUMMARY": str(summary),
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "src"),
    }
    shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    run = subprocess.run(
        shell, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == code, run.stderr
    report = tmp_path / given["report"]
    log = json.loads((report / "triggerfish.sarif").read_text())
    assert len(log["runs"][0]["artifacts"]) == len(names)
    assert (report / "report.html").is_file()
    assert "dangerous" in summary.read_text() or "evil.pt" not in names
    assert summary.read_text().startswith("# Triggerfish")
