import subprocess
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from triggerfish import doctor
from triggerfish._version import __version__
from triggerfish.doctor import EXTRAS, Check, check_all

Cli = Callable[..., SimpleNamespace]


@pytest.fixture
def confined(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the child process had been asked: it imports PyTorch, which takes long."""
    done = subprocess.CompletedProcess([], 0, "confined\n", "")
    monkeypatch.setattr(doctor.subprocess, "run", lambda *_, **__: done)


def test_it_works_here(triggerfish: Cli) -> None:
    run = triggerfish("doctor")
    assert run.code == 0
    assert f"ok  triggerfish           {__version__}\n" in run.out
    assert "device cpu" in run.out


@pytest.mark.usefixtures("confined")
def test_whatever_is_not_ok_has_a_fix() -> None:
    checks = list(check_all())
    assert all(check.fix for check in checks if check.state != "ok")
    names = [check.name for check in checks]
    assert len(set(names)) == len(names)
    assert {f"format {name}" for name in EXTRAS} <= set(names)


@pytest.mark.usefixtures("confined")
def test_a_format_that_is_not_installed(triggerfish: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> object:
        raise ImportError(name)

    monkeypatch.setattr(doctor.importlib, "import_module", absent)
    checks = {check.name: check for check in check_all()}
    assert checks["format onnx"] == Check(
        "format onnx", "missing", "onnx is not installed", "pip install 'triggerfish[onnx]'"
    )


@pytest.mark.usefixtures("confined")
def test_a_format_whose_package_breaks_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> object:
        raise RuntimeError(name)

    monkeypatch.setattr(doctor.importlib, "import_module", broken)
    assert {c.state for c in check_all() if c.name.startswith("format ")} == {"broken"}


@pytest.mark.parametrize("output", ["", "Traceback"])
def test_without_a_sandbox_it_says_so(output: str, monkeypatch: pytest.MonkeyPatch) -> None:
    done = subprocess.CompletedProcess([], 1, output, "")
    monkeypatch.setattr(doctor.subprocess, "run", lambda *_, **__: done)
    (check,) = [c for c in check_all() if c.name == "sandbox"]
    assert check.state == "missing"
    assert "--unsafe-pickle is refused" in check.fix


@pytest.mark.usefixtures("confined")
def test_what_keeps_scans_from_working_is_an_exit_code(
    triggerfish: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> object:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(doctor.tempfile, "TemporaryFile", full)
    run = triggerfish("doctor")
    assert run.code == 2
    assert "!!  temporary files       No space left on device\n    fix: set TMPDIR" in run.out
