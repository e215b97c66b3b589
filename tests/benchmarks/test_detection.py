import dataclasses
import json
import math
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from trained import TARGET, network

from benchmarks import detection
from benchmarks.detection import METHODS, missing, models, setup_of
from benchmarks.rows import Row, moved_pairs, read_rows, rounded, write_rows
from triggerfish.files import sha256_of
from triggerfish.reproduce import ZOO_FOLDERS
from triggerfish.zoo.attacks import PRESETS
from triggerfish.zoo.factory import save
from triggerfish.zoo.manifest import Entry, write_manifest


def add_model(root, folder, file, *, backdoored=False):
    """Put the shared tiny model into a zoo, with a manifest that holds it alone."""
    path = root / folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    save(network(backdoored=backdoored).state_dict(), path)
    recipe = {"architecture": "paper_cnn"}
    targets, success = ((TARGET,), 1.0) if backdoored else ((), None)
    entry = Entry(file, sha256_of(path), 1, recipe, targets, 0.95, success, None, 1.0)
    write_manifest(path.parent, [entry])


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "zoos"
    add_model(root, "mnist/held-out", "clean.pt")
    add_model(root, "mnist/reporting/white", "white.pt", backdoored=True)
    return root


def run(root, out, *options):
    arguments = [str(root), "--out", str(out), "--detector", "last-layer", *options]
    result = CliRunner().invoke(detection.main, arguments)
    assert result.exit_code == 0, result.output
    return result.output


def test_rows_say_what_the_manifest_says(root, tmp_path):
    run(root, tmp_path / "out")
    rows = read_rows("last-layer", tmp_path / "out")
    assert list(rows) == ["mnist/held-out/clean.pt", "mnist/reporting/white/white.pt"]
    clean, attacked = rows.values()
    assert (clean.data, clean.split, clean.zoo, clean.attack) == (
        "mnist",
        "held-out",
        "clean",
        None,
    )
    assert (attacked.split, attacked.zoo, attacked.attack) == ("reporting", "white", "white")
    assert attacked.targets == (TARGET,)
    assert len(attacked.index) == len(attacked.statistic) == 10
    assert attacked.sha256 == sha256_of(root / "mnist/reporting/white/white.pt")


@pytest.mark.slow
def test_a_second_run_scans_only_what_is_new_or_changed(root, tmp_path):
    out = tmp_path / "out"
    assert "1 to scan" in run(root, out, "--only", "mnist/held-out/*")
    assert "1 to scan" in run(root, out)
    assert "0 to scan" in run(root, out)
    add_model(root, "mnist/held-out", "clean.pt", backdoored=True)
    assert "1 to scan" in run(root, out)


def test_development_is_scanned_only_when_asked_for(root, tmp_path):
    add_model(root, "mnist/development/white", "white.pt", backdoored=True)
    assert "0 to scan" in run(root, tmp_path, "--only", "*/development/*")
    assert "1 to scan" in run(root, tmp_path, "--split", "development")


@pytest.mark.slow
def test_a_model_that_is_being_replaced_is_left_for_later(root, tmp_path):
    (root / "mnist/held-out/clean.pt").write_bytes(b"half")
    run(root, tmp_path / "out")
    assert list(read_rows("last-layer", tmp_path / "out")) == ["mnist/reporting/white/white.pt"]


def test_another_setup_asks_again(root):
    found = list(models(root))
    rows = {m.key: dataclasses.replace(EXAMPLE, sha256=m.entry.sha256, setup="a") for m in found}
    assert missing(found, rows, "a") == []
    assert missing(found, rows, "b") == found


def test_setups_differ_and_are_stable():
    assert len({setup_of(method) for method in METHODS}) == len(METHODS)
    assert setup_of("min-norm") == setup_of("min-norm")


def test_folders_and_limits(root):
    add_model(root, f"mnist/{ZOO_FOLDERS['backdoor']}", "t7.pt", backdoored=True)
    add_model(root, "mnist/reporting/white-lenet", "white.pt", backdoored=True)
    found = {model.folder.name: model for model in models(root)}
    published = found[ZOO_FOLDERS["backdoor"]]
    assert published.split == "published"
    assert published.truth()["zoo"] == ZOO_FOLDERS["backdoor"]
    assert [m.folder.name for m in models(root, only=["*-lenet/*"])] == ["white-lenet"]
    assert len(list(models(root, only=["*-lenet/*", "mnist/held-out/*"]))) == 2
    assert [m.split for m in models(root, ["held-out"])] == ["held-out"]
    assert list(models(root, limit=0)) == []


EXAMPLE = Row(
    sha256="00",
    setup="s",
    data="mnist",
    split="reporting",
    zoo="clean-dropout",
    architecture="paper_cnn_dropout",
    attack=None,
    targets=(),
    pairs=((1, 2), (2, 0)),
    clean_accuracy=0.98,
    attack_success_rate=None,
    verdict="clean",
    flagged=(),
    reference=None,
    index=(0.5, None, 2.0),
    statistic=(math.inf, -1.0, None),
    sources=(1.0, None, 0.0),
    p_value=None,
    threshold=0.9,
    reasons=("a",),
    seconds=1.0,
)


def test_a_row_survives_its_file(tmp_path):
    rows = {"b": EXAMPLE, "a": dataclasses.replace(EXAMPLE, targets=(1, 2))}
    write_rows("some", rows, tmp_path)
    assert read_rows("some", tmp_path) == rows
    text = (tmp_path / "some.json").read_text()
    assert len(text.splitlines()) == 4
    assert list(json.loads(text)) == ["a", "b"]
    assert [path.name for path in Path(tmp_path).iterdir()] == ["some.json"]


def test_what_a_row_answers():
    assert EXAMPLE.score == 2.0
    assert EXAMPLE.first == 2
    assert EXAMPLE.variety == "dropout"
    nothing = dataclasses.replace(EXAMPLE, index=(None, None))
    assert nothing.score == -math.inf
    assert nothing.first is None


def test_pairs_are_those_that_the_attack_moves():
    labels = torch.arange(10)
    for name in ("source-specific", "all-to-all"):
        attack = PRESETS[name].attack
        moved = labels[attack.attacked(labels)]
        pairs = zip(moved.tolist(), attack.relabel(moved).tolist(), strict=True)
        assert moved_pairs(attack.settings()) == tuple(pairs)
    assert moved_pairs(PRESETS["white"].attack.settings()) == ()
    assert moved_pairs(None) == ()


def test_rounding_keeps_what_was_not_measured_apart():
    assert rounded([math.nan, 1.234567, math.inf, 12345678.0]) == (None, 1.2346, math.inf, 12346000)
