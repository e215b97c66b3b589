import json

import pytest
import torch

from triggerfish.architectures import PaperCNN
from triggerfish.cli import confirm as command
from triggerfish.results import BasisEvidence, Confirmation

EVIDENCE = (
    BasisEvidence("pixel", 12.0, 0.95, 0.9, 0.125, 0.8, 0.98, (0.1, 0.25, 0.3)),
    BasisEvidence("frequency", float("nan"), 0.0, 0.0, 0.0, 0.0, 0.4, ()),
)


@pytest.fixture
def looks(monkeypatch):
    """Replaces the look, which takes long; ``grades`` by class."""

    def use(**grades):
        def confirm(classifier, target, seed):
            return Confirmation(target, grades[f"c{target}"], 0.7, EVIDENCE, (), 1.25)

        monkeypatch.setattr(command, "confirm", confirm)

    return use


@pytest.mark.parametrize(
    ("grades", "code"),
    [
        (["refuted", "refuted"], 0),
        (["confirmed", "unclear"], 1),
        (["refuted", "confirmed"], 1),
        (["refuted", "unclear"], 3),
    ],
)
def test_the_worst_grade_decides_the_exit_code(triggerfish, looks, models, grades, code):
    looks(c1=grades[0], c3=grades[1])
    run = triggerfish("confirm", models / "planted.pt", "--class", 1, "--class", 3)
    assert run.code == code, run.err


def test_all_that_was_measured_is_shown(triggerfish, looks, models):
    looks(c3="confirmed")
    run = triggerfish("confirm", models / "planted.pt", "--class", 3)
    assert run.out == (
        "confirmation test of class 3: passed (95 %; equally small patterns for other classes: "
        "25 %)\n"
        "  basis                                              pixel   frequency\n"
        "  size                                                  12           -\n"
        "  works on, of held-out images                        95 %         0 %\n"
        "    at half strength                                  90 %         0 %\n"
        "    shifted to other places                           12 %         0 %\n"
        "    without its largest pixel                         80 %         0 %\n"
        "  equally small, best other class                     30 %           -\n"
        "  equally small, second best class                    25 %           -\n"
        "  likeness of what separate searches found            0.98        0.40\n"
        "  lead over the second best class                     0.70        0.00\n"
        "passed: its pattern works far better than equally small patterns for nearly all others\n"
        f"next: triggerfish repair {models / 'planted.pt'} --arch paper_cnn --input-shape 1,28,28 "
        "--mean 0.1307 --std 0.3081 --input-range 0,1 --class 3 "
        f"--out {models / 'planted.repaired.pt'}\n"
    )


def test_a_test_that_fails_does_not_make_the_model_clean(triggerfish, looks, models):
    looks(c3="refuted", c4="unclear")
    run = triggerfish("confirm", models / "planted.pt", "--class", 3, "--class", 4)
    assert run.out.endswith("A test that does not pass does not make the model clean.\n")


def test_a_test_that_found_nothing_refutes_nothing(triggerfish, looks, models, monkeypatch):
    empty = (BasisEvidence("pixel", 0.04, 0.0, 0.0, 0.0, 0.0, 0.0, (0.0, 0.02)),)
    looks(c3="refuted")
    monkeypatch.setattr(
        command, "confirm", lambda *_, **__: Confirmation(3, "refuted", 0.0, empty, (), 1.0)
    )
    run = triggerfish("confirm", models / "planted.pt", "--class", 3)
    assert run.code == 3
    assert run.out.startswith("confirmation test of class 3: no result (0 %; ")
    assert "no result: the pattern was not found again" in run.out


def test_of_a_file_that_cannot_be_written_no_repair_is_advised(triggerfish, looks, tmp_path):
    looks(c3="confirmed")
    program = torch.jit.script(PaperCNN().eval())
    program.save(tmp_path / "program.pt")
    known = ("--input-shape", "1,28,28", "--mean", "0", "--std", "1", "--input-range", "0,1")
    run = triggerfish("confirm", tmp_path / "program.pt", "--class", 3, *known)
    assert run.code == 1, run.err
    assert "next: " not in run.out
    assert run.out.endswith("save the network's state_dict() alone for one.\n")


def test_json_has_a_line_a_class(triggerfish, looks, models):
    looks(c3="unclear", c4="refuted")
    run = triggerfish(
        "confirm", models / "planted.pt", "--class", 3, "--class", 4, "--format", "json"
    )
    first, second = map(json.loads, run.out.splitlines())
    assert (first["target"], first["grade"], second["target"]) == (3, "unclear", 4)
    assert first["evidence"][0]["controls"] == [0.1, 0.25, 0.3]
    assert first["evidence"][1]["size"] is None
    assert len(first["sha256"]) == 64


def test_a_class_that_there_is_not(triggerfish, looks, models):
    looks()
    run = triggerfish("confirm", models / "planted.pt", "--class", 10)
    assert run.code == 2
    assert "--class 10: the classes are 0 to 9" in run.err
