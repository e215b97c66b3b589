import json
from pathlib import Path

import torch

from triggerfish.architectures import PaperCNN
from triggerfish.zoo.graphs import build, export


def model(folder: Path) -> Path:
    torch.save(PaperCNN().state_dict(), folder / "m.pt")
    return folder / "m.pt"


def test_inspect_says_what_it_is_and_where_each_value_came_from(triggerfish, tmp_path) -> None:
    run = triggerfish("inspect", model(tmp_path), "--mean", "0.5")
    facts, assumed, readings, keys = run.out.split("\n\n")
    lines = dict(line.split(maxsplit=1) for line in facts.splitlines())
    assert run.code == 0
    assert len(lines.pop("sha256")) == 64
    assert lines == {
        "path": str(tmp_path / "m.pt"),
        "format": "PyTorch checkpoint",
        "architecture": "paper_cnn",
        "parameters": "421,642",
        "input": "range   [0, 1] from default",
        "mean": "0.5 from command line",
        "std": "1 from not normalized otherwise",
        "classes": "10",
        "output": "logits from its values on noise",
        "forward": "works",
        "backward": "works",
    }
    assert assumed.splitlines() == [
        "assumed:",
        "  arch         paper_cnn (its keys and shapes)",
        "  input-shape  1,28,28 (usual size)",
        "  std          1 (not normalized otherwise)",
    ]
    assert "\n  1  --arch paper_cnn --input-shape 1,28,28 --std 1\n  2  --arch chain:" in readings
    assert keys.splitlines()[:2] == ["keys:", "  conv1.weight  float32 [32, 1, 3, 3]"]
    assert len(keys.splitlines()) == 9


def test_inspect_lists_the_keys_of_an_unknown_network(triggerfish, tmp_path) -> None:
    torch.save({"odd.thing": torch.ones(2, dtype=torch.int8)}, tmp_path / "m.pt")
    run = triggerfish("inspect", tmp_path / "m.pt")
    assert run.code == 2
    assert run.out.endswith("\nkeys:\n  odd.thing  int8 [2]\n")


def test_strict_refuses_what_is_assumed(triggerfish, tmp_path) -> None:
    run = triggerfish("inspect", model(tmp_path), "--strict")
    assert run.code == 2
    assert "no guesses, and arch paper_cnn (its keys and shapes), input-shape 1,28,28" in run.err
    assert "say what is true with --arch --input-shape --mean --std" in run.err
    given = ["--arch", "paper_cnn", "--input-shape", "1,28,28", "--mean", "0", "--std", "1"]
    assert triggerfish("inspect", tmp_path / "m.pt", "--strict", *given).code == 0


def test_inspect_of_what_cannot_be_scanned(triggerfish, tmp_path) -> None:
    torch.save({"w": torch.ones(2)}, tmp_path / "m.pt")
    run = triggerfish("inspect", tmp_path / "m.pt", "--format", "json")
    found = json.loads(run.out)
    assert run.code == 2
    assert found["format"] == "PyTorch checkpoint"
    assert found["problem"].endswith(f"triggerfish arch init {tmp_path / 'm.pt'}")
    assert run.err == f"error: {found['problem']}\n"


IMPOSSIBLE = (
    (("--std", "0"), "expected a positive std for every channel, got (0.0,)"),
    (("--input-shape", "28,28"), "--input-shape takes channels, height and width"),
    (("--arch-args", "x"), "--arch-args takes key=value, not 'x'"),
)


def test_inspect_refuses_impossible_options(triggerfish, tmp_path) -> None:
    for option, message in IMPOSSIBLE:
        run = triggerfish("inspect", model(tmp_path), *option)
        assert (run.code, run.out) == (2, "")
        assert message in run.err.splitlines()[-1]
    run = triggerfish("inspect", model(tmp_path), "--mean", "0.1,0.2")
    assert (run.code, run.err.count("\n")) == (2, 1)


def test_card_init_writes_once(triggerfish, tmp_path) -> None:
    run = triggerfish("card", "init", model(tmp_path), "--mean", "0.5")
    card = tmp_path / "m.card.toml"
    assert (run.code, run.out) == (0, f"{card}\n")
    assert "mean = [0.5]" in card.read_text()
    assert '\n# architecture = "paper_cnn"  # a guess' in card.read_text()
    assert "from model card m.card.toml" in triggerfish("inspect", tmp_path / "m.pt").out
    again = triggerfish("card", "init", tmp_path / "m.pt")
    assert (again.code, again.err.count("\n")) == (2, 1)
    assert triggerfish("card", "init", tmp_path / "m.pt", "--force").code == 0


def test_card_init_for_what_does_not_load_yet(triggerfish, tmp_path) -> None:
    torch.save({"w": torch.ones(2)}, tmp_path / "m.pt")
    run = triggerfish("card", "init", tmp_path / "m.pt", "--input-shape", "3,8,8")
    assert run.code == 0
    assert "fill in the card" in run.err
    assert "input_shape = [3, 8, 8]\n" in (tmp_path / "m.card.toml").read_text()
    assert "# mean =\n" in (tmp_path / "m.card.toml").read_text()


def test_inspect_names_what_a_program_decides_by_itself(triggerfish, tmp_path) -> None:
    path = tmp_path / "program.onnx"
    export(build("pixels", "cnn", 3, seed=2), "onnx", path)
    run = triggerfish("inspect", path)
    assert run.code == 0
    said = run.out.partition("decides beside the learned layers:\n")[2].splitlines()[0]
    assert said.startswith("  a branch: ")
    assert "which leads to class 3 (nodes " in said
    data = json.loads(triggerfish("inspect", path, "--format", "json").out)
    assert [said.strip()] == data["branches"]
