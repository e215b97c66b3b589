"""Mistakes that people make: what they are told, and what to do next; and what it costs."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import triggerfish as tf
from triggerfish.cli.outline import FILE

Cli = Callable[..., SimpleNamespace]

# line -> what it says, and the next step; {in} is a folder with model.pt, net.py, notes/
MISTAKES = {
    "scna {in}": ("no command 'scna'", "did you mean scan?"),
    "{in}/model.pt": ("no command", "to scan a file, triggerfish scan {in}/model.pt"),
    "scan {in} --treshold 2": ("--treshold", "--threshold"),
    "scan {in}/nope.pt": ("{in}/nope.pt: no such file", ""),
    "scan {in}/modle.pt": ("{in}/modle.pt: no such file", "did you mean {in}/model.pt?"),
    "scan nowhere/model.pt": ("nowhere/model.pt: no such file", "no folder nowhere"),
    "scan": ("name a model file or a folder", "or a list of them with --from"),
    "scan {in}/notes": ("{in}/notes: no model files", ""),
    "repair {in}/modle.pt --out x.pt": ("no such file", "did you mean {in}/model.pt?"),
    "scan {in}/model.pt --arch {in}/net.py": (
        "--arch {in}/net.py does not say which network of the file", "--arch {in}/net.py:Net"),
    "scan {in}/model.pt --arch {in}/nte.py": ("no such file", "did you mean {in}/net.py?"),
    "scan {in}/model.pt --input-shape 28,28": (
        "--input-shape takes channels, height and width, such as 1,28,28, not 28,28", ""),
    "scan {in}/model.pt --input-shape 1,28,28 --mean 1,2,3": (
        "--mean has 3 numbers, and --input-shape says 1 channel",
        "give one number, or one for each channel"),
    "scan {in}/model.pt --mean half": (
        "--mean takes one number, or one for each channel, such as 0.5 or 0.485,0.456,0.406", ""),
    "scan {in}/model.pt --shard 5/4": ("--shard takes a share of all, such as 1/4", ""),
    "scan {in}/model.pt --rescan": ("--rescan needs the run folder", "add --out FOLDER"),
    "scan {in}/model.pt -q -v": ("--quiet and --verbose exclude each other", "drop one"),
    "scan {in}/model.pt --detector universe": ("'universe' is not one of", "'universal'"),
    "scan {in}/model.pt --jobs none": ("'none' is not a valid integer", "--jobs"),
    "confirm {in}/model.pt --class ten": ("--class", "'ten' is not a valid integer."),
    "scan {in}/model.pt --mean 0.5 0.5 0.5": (
        "0.5: no such file. Several numbers of one option take commas",
        "such as --mean 0.485,0.456,0.406"),
    "report {in}/nothing": ("{in}/nothing: no such file", ""),
}  # fmt: skip


# What is wrong with a file, and the next step: known once PyTorch is there.
FILES = {
    "confirm --class 0 {in}/empty.pt": ("{in}/empty.pt is an empty file", "fetch it again"),
    "confirm --class 0 {in}/pointer.pt": ("{in}/pointer.pt is a Git LFS pointer", "git lfs pull"),
    "confirm --class 0 {in}/model.pt": (
        "{in}/model.pt is a text file", "may have saved an error page"),
    "confirm --class 0 {in}/noise.pt": (
        "no known kind of file begins with the bytes 01 02 03", "give a model file"),
    "confirm --class 0 {in}/other.pt": (
        "no network of the catalogue and no plain chain has these 1 weights (strange)",
        "triggerfish arch init {in}/other.pt"),
    "confirm --class 0 {in}/other.pt --arch nothing": (
        "no network has the name 'nothing'", "take one of "),
    "confirm --class 0 {in}/other.pt --arch papper_cnn": (
        "no network has the name 'papper_cnn', did you mean paper_cnn?", ""),
    "confirm --class 0 {in}/other.pt --arch {in}/nets.py:PlainCN": (
        "{in}/nets.py has no PlainCN, did you mean PlainCNN?", ""),
    "confirm --class 0 {in}/other.pt --arch {in}/nets.py:unlike": (
        "{in}/nets.py has no unlike", "name one of PlainCNN, make"),
    "confirm --class 0 {in}/other.pt --arch paper_cnn": (
        "the weights are not those of paper_cnn: ", "Pass the right --arch"),
    "confirm --class 0 {in}/other.pt --arch paper_cnn --arch-args x": (
        "--arch-args takes key=value, not 'x'", ""),
    "card init {in}/carded.pt": ("there is a model card already", "pass --force"),
    "scan {in}/other.pt --target-prob 0.9 --target-log-odds 2 --detector min-norm": (
        "--target-prob and --target-log-odds exclude each other", "drop one"),
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model.pt").write_text("not a model")
    (tmp_path / "net.py").write_text("class Net:\n    pass\n\nraise SystemExit('was run')\n")
    (tmp_path / "nets.py").write_text("class PlainCNN:\n    pass\n\ndef make():\n    pass\n")
    (tmp_path / "empty.pt").touch()
    (tmp_path / "pointer.pt").write_text("version https://git-lfs.github.com/spec/v1\noid x\n")
    (tmp_path / "noise.pt").write_bytes(bytes(range(1, 129)))
    torch.save({"strange": torch.ones(2, 3, 4)}, tmp_path / "other.pt")
    torch.save({"strange": torch.ones(2, 3, 4)}, tmp_path / "carded.pt")
    (tmp_path / "carded.card.toml").write_text("")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "readme.txt").write_text("notes")
    return tmp_path


@pytest.mark.parametrize("line", [*MISTAKES, *FILES])
def test_a_mistake_is_said_with_the_next_step(line: str, triggerfish: Cli, folder: Path) -> None:
    run = triggerfish(*line.replace("{in}", str(folder)).split())
    assert (run.code, run.out) == (2, "")
    for said in (MISTAKES | FILES)[line]:
        assert said.replace("{in}", str(folder)) in run.err
    assert "Traceback" not in run.err
    assert ": expected " not in run.err
    assert max(map(len, run.err.splitlines())) < 400


NEEDS_TORCH = ("scan {in}/notes",)  # to know what is a model file


@pytest.mark.parametrize("line", ["scan --help", "scan --help-all", "zoo clean --help", *MISTAKES])
def test_pytorch_is_not_imported_for_help_and_mistakes(line: str, folder: Path) -> None:
    if line in NEEDS_TORCH:
        pytest.skip("known")
    code = (
        "import sys; from triggerfish.cli.group import app\n"
        f"try: app({line.replace('{in}', str(folder)).split()!r})\n"
        "except SystemExit: print({'torch', 'numpy', 'rich'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "set()"


def test_one_number_is_a_mean() -> None:
    assert tf.Preprocessing(mean=0.13, std=0.3) == tf.Preprocessing(mean=(0.13,), std=(0.3,))  # type: ignore[arg-type]


def test_three_means_for_one_channel() -> None:
    three = tf.Preprocessing(mean=(0.1, 0.2, 0.3))
    with pytest.raises(ValueError, match="mean has 3 numbers, and an image 1 channel: give one"):
        tf.Classifier(torch.nn.Flatten(), (1, 8, 8), preprocessing=three)


def test_help_into_a_pipe_that_closes_says_nothing() -> None:
    command = f"{sys.executable} -m triggerfish scan --help-all | head -n 1"
    run = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert run.stdout == "Usage: triggerfish scan [OPTIONS] PATH...\n"
    assert run.stderr == ""


def test_the_outline_that_ships_is_that_of_the_commands() -> None:
    import importlib.util

    spec = importlib.util.spec_from_file_location(
        "outline", Path(__file__).parents[2] / "docs/make_outline.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert FILE.read_text() == module.outline(), "run: make docs"
