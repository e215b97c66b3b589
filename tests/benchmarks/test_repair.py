"""The benchmarks of repairs and confirmation tests: what they keep, and that they go on."""

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from benchmarks import confirm, repair, repair_table
from benchmarks.fine_pruning import fine_pruned
from benchmarks.lines import append_line, read_lines
from triggerfish.model.classifier import Classifier
from triggerfish.results import Confirmation
from triggerfish.zoo.data.datasets import Dataset, load_dataset

CODE = """
import torch
from torch import nn
def load(record):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(2704, 10))
    return net.eval()
def stamp(record, images):
    images = images.clone()
    images[..., :2, :2] = 1
    return images
"""
RECORD = {
    "id": "x", "split": "develop", "data": "mnist", "attacked": True, "attack": "all-to-one",
    "trigger": "white", "targets": [3], "success": 0.9, "input_shape": [1, 28, 28],
    "num_classes": 10, "head": "logits",
}  # fmt: skip


@pytest.fixture
def strangers(tmp_path: Path) -> Path:
    folder = tmp_path / "strangers"
    folder.mkdir()
    (folder / "networks.py").write_text(CODE)
    clean = {**RECORD, "id": "y", "attacked": False, "attack": None, "targets": None}
    lines = [RECORD, clean, {**RECORD, "id": "z", "split": "report"}]
    (folder / "manifest.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return folder


def test_lines_are_added_and_read(tmp_path):
    file = tmp_path / "new" / "rows.jsonl"
    assert read_lines(file) == []
    append_line(file, {"id": "a", "v": None})
    append_line(file, {"id": "b"})
    assert read_lines(file) == [{"id": "a", "v": None}, {"id": "b"}]


def test_second_looks_are_kept_once(strangers, tmp_path, monkeypatch):
    monkeypatch.setattr(
        confirm, "confirm", lambda _, k: Confirmation(k, "refuted", 0.1, (), (), 1.0)
    )
    arguments = [str(strangers), "--results", str(tmp_path / "out"), "--id", "y"]
    assert CliRunner().invoke(confirm.main, arguments).exit_code == 0
    (row,) = read_lines(tmp_path / "out" / "develop.jsonl")
    assert row["id"] == "y"
    assert row["looks"][0]["grade"] == "refuted"
    assert row["looks"][0]["class"] in range(10)
    again = CliRunner().invoke(confirm.main, arguments)
    assert again.output == ""


def test_the_truth_is_measured_on_test_images(strangers):
    (name, opened), *_ = repair.of_strangers(strangers, "develop")
    suspect = opened()
    test = load_dataset("mnist", "test")
    found = repair.truth_of(suspect, suspect.classifier, test, 300)
    images, labels = repair.drawn(test, 300)
    called = suspect.classifier.logits(images).argmax(1)
    stamped = images[labels != 3].clone()
    stamped[..., :2, :2] = 1
    success = (suspect.classifier.logits(stamped).argmax(1) == 3).double().mean()
    assert name == "x"
    assert found["accuracy"] == pytest.approx(float((called == labels).double().mean()), abs=1e-4)
    assert found["trigger_success"] == pytest.approx(float(success), abs=1e-4)


def test_images_are_drawn_from_every_class_of_a_sorted_file():
    labels = torch.arange(10).repeat_interleave(100)
    images = labels.view(-1, 1, 1, 1).expand(-1, 1, 2, 2).to(torch.uint8)
    data = Dataset("sorted", images, labels, (0.0,), (1.0,), tuple("0123456789"))
    found, called = repair.drawn(data, 200)
    assert called.unique().tolist() == list(range(10))
    assert torch.equal((255 * found[:, 0, 0, 0]).round().long(), called)


def test_fine_pruning_switches_off_what_real_images_do_not_use():
    torch.manual_seed(1)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(1, 3, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(), torch.nn.Linear(3, 2),
    )  # fmt: skip
    with torch.no_grad():
        network[0].weight[:] = 1.0
        network[0].bias[:] = torch.tensor([-100.0, 0.0, 0.0])  # channel 0 is dead
    original = Classifier(network, (1, 6, 6))
    images, labels = torch.rand(40, 1, 6, 6), torch.zeros(40, dtype=torch.long)
    labels[images.mean((1, 2, 3)) > 0.5] = 1
    fixed = fine_pruned(original, images, labels)
    assert not fixed[0].weight[0].any()
    assert original.model[0].weight[0].all()


def test_tables_count_by_method_and_by_grade(tmp_path, monkeypatch):
    monkeypatch.setattr(repair, "FOLDER", tmp_path / "repair")
    monkeypatch.setattr(confirm, "FOLDER", tmp_path / "confirm")
    assert repair_table.repairs() == repair_table.looks() == ""
    after = {
        name: {"accuracy": 0.88, "trigger_success": success, "accepted": True}
        for name, success in (("unlearning", 0.05), ("channel-pruning", 0.9))
    } | {"fine-pruning": {"error": "expected a network with convolutions"}}
    before = {"accuracy": 0.9, "trigger_success": 0.97}
    attacked = {"id": "a", "attack": "white", "before": before, "after": after}
    append_line(tmp_path / "repair" / "strangers-develop.jsonl", attacked)
    append_line(tmp_path / "repair" / "strangers-develop.jsonl", {"id": "missed"})
    lines = repair_table.repairs().splitlines()
    assert (
        "| unlearning | nothing | 1 of 1 (1.000; 0.025-1.000) | -2.0 (worst -2.0; n = 1) | - |"
        in lines[2]
    )
    assert "| channel-pruning | nothing | 0 of 1 (0.000; 0.000-0.975) |" in lines[3]
    assert "| fine-pruning | 500 labelled images | - | - | - | - |" in lines[4]
    looks = [{"class": 3, "grade": "confirmed"}, {"class": 5, "grade": "refuted"}]
    row = {"id": "a", "attack": "white", "targets": [3], "flagged": [3, 5], "looks": looks}
    append_line(tmp_path / "confirm" / "develop.jsonl", row)
    true, false, *_ = repair_table.looks().splitlines()[2:]
    assert true.startswith("| develop | true target, flagged | 1 | 1 of 1")
    assert false.startswith("| develop | false alarm | 1 | 0 of 1")
