import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from triggerfish import __version__
from triggerfish.cli import group as module
from triggerfish.cli.group import COMMANDS, app
from triggerfish.errors import CheckpointError


def invoke(*args: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(args))
    return result.exit_code, result.stdout, result.stderr


def test_version() -> None:
    assert invoke("--version") == (0, f"triggerfish, version {__version__}\n", "")


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_lists_every_command(flag: str) -> None:
    code, out, err = invoke(flag)
    assert (code, err) == (0, "")
    assert all(f"  {name} " in out for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_line_in_the_overview_is_the_commands_own(name: str) -> None:
    command = app.get_command(click.Context(app), name)
    assert command is not None
    assert command.get_short_help_str(limit=200) == COMMANDS[name][1]
    assert invoke(name, "-h")[0] == invoke(name, "--help")[0] == 0


def test_help_does_not_import_torch() -> None:
    code = (
        "import sys; from triggerfish.cli.group import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: print('torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "False"


def test_unknown_command_is_a_usage_error() -> None:
    code, out, err = invoke("scann")
    assert (code, out) == (2, "")
    assert "no command 'scann': did you mean scan?" in err


@pytest.mark.parametrize(
    ("raised", "code", "line"),
    [
        (CheckpointError("expected A, got B: do C"), 2, "error: expected A, got B: do C\n"),
        (KeyboardInterrupt(), 130, "\ninterrupted\n"),
    ],
)
def test_errors_end_in_one_line(
    raised: BaseException, code: int, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise raised

    command = click.Command("fail", callback=fail)
    monkeypatch.setattr(module, "COMMANDS", {"fail": (f"{__name__}:command", "Fail.")})
    monkeypatch.setattr(sys.modules[__name__], "command", command, raising=False)
    assert invoke("fail") == (code, "", line)


def test_python_m_runs_the_same_command() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "triggerfish", "--version"], capture_output=True, text=True
    )
    assert (run.returncode, run.stdout) == (0, f"triggerfish, version {__version__}\n")
