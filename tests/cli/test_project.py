from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

Cli = Callable[..., SimpleNamespace]
PROJECT = """
[scan]
steps = 4
fail-on = "flagged"
mean = [0.5, 0.25]
arch-args = ["depth=20", "width=2"]
"""


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("model.pt").write_text("not opened")


def test_what_is_in_force_and_where_it_is_from(triggerfish: Cli) -> None:
    Path("triggerfish.toml").write_text(PROJECT)
    run = triggerfish("scan", "model.pt", "--seed", 3, "--show-config")
    assert run.code == 0
    lines = run.out.splitlines()
    assert lines[0] == "[scan]"
    for line in (
        "steps = 4  # project file",
        'fail-on = "flagged"  # project file',
        "mean = [0.5, 0.25]  # project file",
        'arch-args = ["depth=20", "width=2"]  # project file',
        "seed = 3  # command line",
        'format = "table"  # default',
        "# reference is not set",
    ):
        assert line in lines


def test_what_is_in_force_needs_no_model(triggerfish: Cli) -> None:
    Path("triggerfish.toml").write_text(PROJECT)
    run = triggerfish("scan", "--show-config")
    assert (run.code, run.err) == (0, "")
    assert "steps = 4  # project file" in run.out


def test_the_command_line_wins(triggerfish: Cli) -> None:
    Path("triggerfish.toml").write_text(PROJECT)
    run = triggerfish("scan", "model.pt", "--steps", 9, "--show-config")
    assert "steps = 9  # command line" in run.out


def test_another_file_by_name(triggerfish: Cli) -> None:
    Path("triggerfish.toml").write_text("nonsense")
    Path("ci.toml").write_text(PROJECT)
    run = triggerfish("--config", "ci.toml", "scan", "model.pt", "--show-config")
    assert "steps = 4  # project file" in run.out


def test_what_is_shown_is_a_project_file(triggerfish: Cli) -> None:
    shown = triggerfish("scan", "model.pt", "--steps", 4, "--show-config").out
    assert "steps = 4  # command line" in shown
    Path("triggerfish.toml").write_text(
        "\n".join(line for line in shown.splitlines() if "show-config" not in line)
    )
    again = triggerfish("scan", "model.pt", "--show-config").out
    values = [[line.partition("  #")[0] for line in text.splitlines()] for text in (shown, again)]
    assert [v for v in values[0] if "show-config" not in v] == [
        v for v in values[1] if "show-config" not in v
    ]


def test_a_file_beside_the_model_is_not_read(triggerfish: Cli, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "triggerfish.toml").write_text(PROJECT)
    run = triggerfish("scan", "models", "--show-config")
    assert "# steps is not set" in run.out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense", "triggerfish.toml is no project file"),
        ("[scna]\n", "triggerfish.toml: 'scna' is no table of a command"),
        ("scan = 3\n", "'scan' is no table of a command"),
        ("[scan]\nstepz = 3\n", "triggerfish.toml: triggerfish scan has no option"),
        ("[scan]\nunsafe-pickle = true\n", "--unsafe-pickle is allowed on the command line alone"),
        ("[scan]\narch = 'evil.py:Net'\n", "--arch is allowed on the command line alone"),
        ("[scan]\nsteps = 'many'\n", "'many' is not a valid integer"),
        ("[scan]\nfail-on = 'never'\n", "'never' is not one of"),
    ],
)
def test_what_is_wrong_with_it_is_one_line(text: str, message: str, triggerfish: Cli) -> None:
    Path("triggerfish.toml").write_text(text)
    run = triggerfish("scan", "model.pt", "--show-config")
    assert (run.code, run.out) == (2, "")
    assert message in run.err


@pytest.mark.parametrize(
    "line", ["steps = 'many'", "fail-on = 'never'", "mean = 'half'", "target-prob = 1.5"]
)
def test_a_wrong_value_of_the_project_says_its_file(line: str, triggerfish: Cli) -> None:
    Path("triggerfish.toml").write_text(f"[scan]\n{line}\n")
    run = triggerfish("scan", "model.pt", "--detector", "min-norm")
    assert run.code == 2
    assert run.err.endswith("(set in triggerfish.toml)\n")
    key = line.partition(" ")[0]
    again = triggerfish("scan", "model.pt", "--detector", "min-norm", f"--{key}", "x")
    assert "triggerfish.toml" not in again.err


def test_tables_of_other_commands_do_not_matter(triggerfish: Cli) -> None:
    Path("triggerfish.toml").write_text("[report]\nfail-on = 'flagged'\n")
    assert triggerfish("scan", "model.pt", "--show-config").code == 0


def test_help_needs_no_valid_project(triggerfish: Cli) -> None:
    Path("triggerfish.toml").write_text("nonsense")
    assert triggerfish("--help").code == 0
