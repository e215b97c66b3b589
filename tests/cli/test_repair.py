import hashlib
import json
import math
from dataclasses import replace

import pytest
import torch
from made_up import clean, found

from triggerfish.cli import repair as command
from triggerfish.errors import NothingToRepairError
from triggerfish.loading import load_classifier
from triggerfish.repairs.repair import Repaired
from triggerfish.reports.rates import repairs as repairs_counted
from triggerfish.structure import analyse
from triggerfish.zoo.graphs import build, export

MNIST = ("--mean", "0.1307", "--std", "0.3081")


@pytest.fixture
def repairs(monkeypatch):
    """Replaces the repair, which takes long, by one that doubles the last bias; ``problems``."""

    def use(*problems):
        def repair(classifier, *, targets, method, config, images, seed, path, sha256):
            model = load_classifier(path).model
            with torch.no_grad():
                model.fc2.bias += 0.01
            before = replace(found(), path=path, sha256=sha256)
            images_agree = None if images is None else 0.75
            return Repaired(
                model, method.name, tuple(targets) or (7,), before, clean(), 0.97, 0.02, 0.93,
                images_agree, problems,
            )  # fmt: skip

        monkeypatch.setattr(command, "repair", repair)

    return use


def test_an_accepted_repair_is_written_with_its_record(triggerfish, repairs, models, tmp_path):
    repairs()
    source, target = models / "planted.pt", tmp_path / "fixed.pt"
    run = triggerfish("repair", source, "--out", target, "--seed", 5, *MNIST)
    assert run.code == 0, run.err
    assert run.out == (
        f"{source}, by unlearning:\n"
        f"{'':<37}  {'before':>26}  {'after':>26}\n"
        f"{'verdict':<37}  {'backdoored, class 7 (horse)':>26}  {'nothing flagged':>26}\n"
        f"{'anomaly index / threshold (test)':<37}  {'2.90 / 1.40 (universal-pixel)':>26}  "
        f"{'0.40 / 1.40 (universal)':>26}\n"
        f"{'images that the patterns found flip':<37}  {'97 %':>26}  {'2 %':>26}\n"
        f"{'same answers to 400 synthetic images':<37}  {'':>26}  {'93 %':>26}\n"
        f"repaired: {target}; what was done: {target}.repair.json\n"
        "The pattern that was found no longer works. A new scan flags no class.\n"
        f"That proves no more. Of {repairs_counted().n} networks of other people whose repair "
        f"passed this check, the true trigger was gone from {repairs_counted()}.\n"
        "A backdoor that moves each class to another, and was taken for one of a single class, is "
        "still there.\n"
        "Try the model on images of your own before you use it.\n"
    )
    bias = load_classifier(source).model.fc2.bias + 0.01
    assert torch.allclose(load_classifier(target).model.fc2.bias, bias)
    record = json.loads((tmp_path / "fixed.pt.repair.json").read_text())
    assert record["original"]["sha256"] == hashlib.sha256(source.read_bytes()).hexdigest()
    assert record["repaired"]["sha256"] == hashlib.sha256(target.read_bytes()).hexdigest()
    assert (record["method"], record["seed"], record["targets"]) == ("unlearning", 5, [7])
    assert record["settings"]["keep"] == 8.0
    assert record["before"]["verdict"] == "backdoored"
    assert record["after"]["verdict"] == "clean"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["fixed.pt", "fixed.pt.repair.json"]


def test_one_that_fails_its_own_check_writes_nothing(triggerfish, repairs, models, tmp_path):
    repairs("class 7 is still flagged", "only 60 % of images get the same answer as before")
    run = triggerfish("repair", models / "planted.pt", "--out", tmp_path / "fixed.pt", *MNIST)
    assert run.code == 1
    source, out = models / "planted.pt", tmp_path / "fixed.pt"
    again = f"triggerfish repair {source} --out {out} --seed 1"
    assert run.err == (
        "repair failed: class 7 is still flagged; only 60 % of images get the same answer as "
        "before; nothing written\n"
        "tried: up to 4 rounds of unlearning, each a new search and 50 steps of training; the "
        "table says how far it came\n"
        f"next: with your own images, without labels: {again} --images FOLDER\n"
        f"next: {again}\n"
        "next: take the model from a source that you trust\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_model_in_which_nothing_is_named_is_not_repaired(
    triggerfish, models, tmp_path, monkeypatch
):
    def repair(*_, **__):
        raise NothingToRepairError("the scan flags no class")

    monkeypatch.setattr(command, "repair", repair)
    run = triggerfish("repair", models / "planted.pt", "--out", tmp_path / "fixed.pt", *MNIST)
    assert run.code == 1
    assert run.err == ("repair failed: the scan flags no class; nothing written\n")
    assert list(tmp_path.iterdir()) == []


def test_a_page_shows_before_and_after_also_of_a_failure(triggerfish, repairs, models, tmp_path):
    repairs("class 7 is still flagged")
    arguments = ("repair", models / "planted.pt", "--out", tmp_path / "fixed.pt", *MNIST)
    assert triggerfish(*arguments, "--html", tmp_path / "before after.html").code == 1
    page = (tmp_path / "before after.html").read_text()
    assert "Nothing was written." in page
    assert "class 7 is still flagged" in page
    assert page.count('<article class="page"') == 2


@pytest.mark.parametrize("name", ["fixed.pt", "fixed.pt.repair.json"])
def test_nothing_is_overwritten(triggerfish, repairs, models, tmp_path, name):
    repairs()
    (tmp_path / name).write_text("mine")
    run = triggerfish("repair", models / "planted.pt", "--out", tmp_path / "fixed.pt", *MNIST)
    assert run.code == 2
    assert run.err == (f"error: {tmp_path / name}: there is a file already. Choose another --out\n")
    assert (tmp_path / name).read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 1


def test_the_model_card_goes_with_the_file(triggerfish, repairs, models, tmp_path):
    repairs()
    source, target = tmp_path / "a" / "m.pt", tmp_path / "b" / "fixed.pt"
    source.parent.mkdir()
    source.write_bytes((models / "planted.pt").read_bytes())
    card = 'architecture = "paper_cnn"\nmean = 0.25\nstd = 0.5\n'
    (source.parent / "m.card.toml").write_text(card)
    run = triggerfish("repair", source, "--out", target)
    assert run.code == 0, run.err
    assert (target.parent / "fixed.card.toml").read_text() == card
    assert load_classifier(target).preprocessing == load_classifier(source).preprocessing


def test_a_file_that_would_open_otherwise_is_not_written(triggerfish, repairs, models, tmp_path):
    repairs()
    (tmp_path / "folder.card.toml").write_text("input_range = [0, 255]\n")
    run = triggerfish("repair", models / "planted.pt", "--out", tmp_path / "fixed.pt", *MNIST)
    assert run.code == 2
    assert "this model card would be read for" in run.err
    assert [p.name for p in tmp_path.iterdir()] == ["folder.card.toml"]


def test_what_cannot_be_repaired_is_said_before_the_work(triggerfish, repairs, tmp_path):
    from saved_models import WRITERS

    from triggerfish.architectures import PaperCNN

    repairs()
    source, target = tmp_path / "network.h5", tmp_path / "fixed.h5"
    torch.manual_seed(1)  # how many readings are plausible depends on the weights
    WRITERS["network.h5"](PaperCNN().eval(), source)
    run = triggerfish("repair", source, "--out", target)
    assert run.code == 2
    assert run.err.startswith(f"error: {source} can be read in 3 ways: say which is true")
    said = ("--mean", 0, "--std", 1, "--input-range", "0,1")
    run = triggerfish("repair", source, "--out", target, *said)
    assert run.code == 2
    assert run.err.startswith("error: a repair writes PyTorch state dicts and safetensors")
    assert not target.exists()


def test_own_pictures_are_compared_on(triggerfish, repairs, models, tmp_path):
    from PIL import Image

    repairs()
    (tmp_path / "own").mkdir()
    Image.new("L", (28, 28), 128).save(tmp_path / "own" / "1.png")
    run = triggerfish(
        "repair",
        models / "planted.pt",
        "--out",
        tmp_path / "f.pt",
        "--images",
        tmp_path / "own",
        *MNIST,
    )
    assert run.code == 0, run.err
    assert "same answers to your 1 images" in run.out
    assert json.loads((tmp_path / "f.pt.repair.json").read_text())["agreement_on_images"] == 0.75


def test_what_was_not_measured_is_no_number():
    from triggerfish.repairs import Unlearning
    from triggerfish.repairs.record import record_of

    outcome = Repaired(
        torch.nn.Identity(), "m", (-1,), found(), clean(), math.nan, math.nan, 1.0, None, ()
    )
    record = record_of(outcome, Unlearning(), 0, found().path, b"")
    assert record["before"]["success_of_changes"] is None
    assert record["targets"] == ["any"]
    json.dumps(record, allow_nan=False)


@pytest.fixture
def program(tmp_path):
    """An ONNX file with a branch that leads to class 3."""
    path = tmp_path / "program.onnx"
    export(build("pixels", "cnn", 3, seed=2), "onnx", path)
    return path


@pytest.fixture
def scans_as(monkeypatch):
    """Replaces the scan of what is left, which takes long, by a result."""

    def use(result):
        monkeypatch.setattr(command, "scan_opened", lambda *_: result)

    return use


def test_a_branch_is_cut_off_a_program(triggerfish, scans_as, program, tmp_path):
    scans_as(clean())
    target = tmp_path / "fixed.onnx"
    run = triggerfish("repair", program, "--out", target)
    assert run.code == 0, run.err
    first, same, after, _ = run.out.splitlines()
    assert first.startswith("cut off: a branch: a value computed from the image's pixels")
    assert "/Where" in first
    assert same == "same answers as before to 400 of 400 synthetic images"
    assert after == "without it: clean"
    assert analyse(target).findings == ()
    record = json.loads((tmp_path / "fixed.onnx.repair.json").read_text())
    assert (record["method"], record["targets"], record["agreement"]) == ("cut", [3], 1.0)
    assert record["repaired"]["sha256"] == hashlib.sha256(target.read_bytes()).hexdigest()
    assert [item["nodes"][-1] for item in record["cut"]] == ["/Where"]


def test_a_program_whose_weights_are_flagged_too_is_not_written(
    triggerfish, scans_as, program, tmp_path
):
    scans_as(found())
    run = triggerfish("repair", program, "--out", tmp_path / "fixed.onnx")
    assert run.code == 1
    assert "repair failed: without its branch the program should scan clean" in run.err
    assert not (tmp_path / "fixed.onnx").exists()


def test_a_program_without_a_branch_to_that_class_is_not_repaired(triggerfish, program, tmp_path):
    run = triggerfish("repair", program, "--out", tmp_path / "fixed.onnx", "--class", 4)
    assert run.code == 1
    assert "expected a branch that leads to class 4 that is proven" in run.err


def test_pages_are_of_weights_alone(triggerfish, program, tmp_path):
    run = triggerfish(
        "repair", program, "--out", tmp_path / "fixed.onnx", "--html", tmp_path / "page.html"
    )
    assert run.code == 2
    assert "--html does not go with a program" in run.err
