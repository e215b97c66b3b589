import json

import pytest

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
        "class 3: confirmed, lead 0.70\n"
        "  basis                                              pixel   frequency\n"
        "  size                                                  12           -\n"
        "  of new pictures, it turns                            95%          0%\n"
        "    at half strength                                   90%          0%\n"
        "    shifted to other places                            12%          0%\n"
        "    without its largest pixel                          80%          0%\n"
        "  control: same size, best other class                 30%           -\n"
        "  control: same size, second best                      25%           -\n"
        "  likeness of what separate searches found            0.98        0.40\n"
        "confirmed: its perturbation works where those of the same size to other classes fail\n"
    )


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
    assert "expected classes from 0 to 9, got 10" in run.err
