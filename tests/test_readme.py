"""README does what it says: its commands and its Python run as written, on a small network.

The network is set by hand (`planted`), with class 7 as its target. A model card says what a
stranger's 28x28 checkpoint would not need to say, so no command needs an option.
"""

import os
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import planted
import pytest
import torch
from click.testing import CliRunner

from triggerfish.cli.group import app
from triggerfish.loading import load_classifier

README = (Path(__file__).parents[1] / "README.md").read_text()
TARGET = 7
CARD = """architecture = "chain:0/p1,relu,avg4,flat,4"
input_shape = [1, 12, 12]
mean = 0.0
std = 1.0
"""
ELSEWHERE = (
    "triggerfish demo",  # tests/cli/test_demo.py
    "triggerfish repair model.onnx",  # tests/cli/test_repair.py
)
CODES = {"scan": 1, "confirm": 1, "repair": 0}


def planted_file(path: Path) -> None:
    """A checkpoint whose backdoor leads to `TARGET`, and its card."""
    state = planted.classifier(backdoored=True).model.state_dict()
    order = torch.arange(planted.CLASSES)
    order[[planted.TARGET, TARGET]] = order[[TARGET, planted.TARGET]]
    state = {k: v[order] if len(v) == planted.CLASSES else v for k, v in state.items()}
    torch.save(state, path)
    path.with_name("model.card.toml").write_text(CARD)


def commands() -> list[str]:
    """The lines of README that call triggerfish, without comments; tables are test_docs'."""
    lines = re.findall(r"^    (?:\$ )?(triggerfish [^\n#]*)", README, re.M)
    return [line.strip() for line in lines]


def masked(text: str) -> list[str]:
    """Lines without what differs between two models: numbers, names of files, spaces."""
    text = re.sub(r"\S*\.pt\b", "FILE", text)
    text = re.sub(r"uncalibrated|\d+(\.\d+)?", "N", text)
    text = re.sub(r"(is unusual by) .*", r"\1 ...", text)
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str]]:
    """Every command that is not tested elsewhere, in README's order: exit code and output."""
    folder, found, before = tmp_path_factory.mktemp("readme"), {}, Path.cwd()
    planted_file(folder / "model.pt")
    os.chdir(folder)
    try:
        for line in commands():
            if not line.startswith(ELSEWHERE) and line not in found:
                run = CliRunner().invoke(app, shlex.split(line)[1:])
                found[line] = (run.exit_code, run.stdout)
    finally:
        os.chdir(before)
    repaired = load_classifier(folder / "repaired.pt")
    images = torch.rand(200, *planted.SHAPE, generator=torch.Generator().manual_seed(1))
    hits = repaired.logits(planted.stamped(images)).argmax(1) == TARGET
    found["trigger after repair"] = (int(hits.sum()), "of 200")
    return found


@pytest.mark.parametrize("line", [c for c in dict.fromkeys(commands()) if c.split()[1] in CODES])
def test_a_command_of_the_readme(line: str, runs: dict[str, tuple[int, str]]) -> None:
    if line.startswith(ELSEWHERE):
        pytest.skip("run by another test")
    code, output = runs[line]
    assert code == CODES[line.split()[1]], output
    assert f"class {TARGET}" in output


def test_every_command_of_the_readme_is_run() -> None:
    for line in commands():
        assert line.startswith(ELSEWHERE) or line.split()[1] in CODES, line


def test_what_the_readme_shows_of_a_scan_is_what_a_scan_says(
    runs: dict[str, tuple[int, str]],
) -> None:
    """Line by line; numbers and the detector that names the class are those of another model."""
    shown = README.partition("<!-- scan -->\n")[2].partition("<!-- end -->")[0]
    lines = [line[4:] for line in shown.splitlines() if line.startswith("    ")]
    assert lines[0].startswith("$ triggerfish scan ")
    said = runs[lines[0].removeprefix("$ ")][1]
    assert masked("\n".join(lines[1:])) == masked(said)


def test_the_repair_of_the_readme_removes_the_true_trigger(
    runs: dict[str, tuple[int, str]],
) -> None:
    assert runs["trigger after repair"][0] < 200 / 5  # chance is a ninth


def test_the_python_of_the_readme(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.S)
    planted_file(tmp_path / "model.pt")
    monkeypatch.chdir(tmp_path)
    mpl.use("Agg")
    names: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), names)
    assert capsys.readouterr().out == f"backdoored (target class {TARGET})\n"
    plot: Callable[[], object] = names["plt"].gca  # type: ignore[attr-defined]
    (image,) = plot().get_images()  # type: ignore[attr-defined]
    assert image.get_array().shape == planted.SHAPE[1:]
