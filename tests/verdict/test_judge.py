import dataclasses

import numpy as np
import pytest
import torch
from scored import class_scores, model, reference

from triggerfish.detectors import DETECTORS, MMBD, Ensemble, MinNorm
from triggerfish.references.making import make_any_network_reference
from triggerfish.references.store import parse_reference, render_reference
from triggerfish.results import Assumption, ClassScores, Status
from triggerfish.statistics.outliers import OUTLIER_TESTS
from triggerfish.verdict.judge import Judge

CLEAN = np.arange(8) / 100


@pytest.mark.parametrize("test", [name for name in OUTLIER_TESTS if name != "largest"])
@pytest.mark.parametrize("detector", DETECTORS.values())
def test_a_threshold_is_in_units_of_the_score_whatever_the_test(detector, test) -> None:
    values = np.random.default_rng(0).normal(size=8)
    own = Judge(outlier_test=test)(class_scores(values), model(), detector())
    highest = np.nanmax(own.anomaly_index)
    for threshold, flags in ((highest - 0.01, 1), (highest + 0.01, 0)):
        judge = Judge(outlier_test=test, threshold=float(threshold))
        verdict = judge(class_scores(values), model(), detector())
        assert verdict.threshold == threshold
        assert len(verdict.flagged) == flags
        assert verdict.anomaly_index == own.anomaly_index


def test_a_threshold_of_two_does_not_flag_every_class_of_a_clean_model() -> None:
    values = np.random.default_rng(1).gamma(3.0, size=8)
    verdict = Judge(threshold=2.0)(class_scores(values), model(), MMBD())
    assert verdict.flagged == ()


def test_a_threshold_of_zero_counts_with_and_without_a_reference() -> None:
    values = np.arange(8) / 10
    values[:4] -= 0.2
    for judge in (Judge(threshold=0.0), Judge(threshold=0.0, reference=reference())):
        verdict = judge(class_scores(values), model(), MinNorm())
        assert verdict.threshold == 0.0
        assert verdict.flagged == tuple(np.flatnonzero(np.array(verdict.anomaly_index) > 0))
        assert verdict.flagged


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"outlier_test": "guess"}, "expected an outlier test of"),
        ({"threshold": float("nan")}, "finite threshold"),
        ({"false_positive_rate": 1.0}, "false_positive_rate"),
        ({"outlier_test": "grubbs", "reference": reference()}, "got both"),
    ],
)
def test_settings_are_checked(settings, message) -> None:
    with pytest.raises(ValueError, match=message):
        Judge(**settings)


def test_a_reference_of_another_network_gives_no_flag_and_no_clearance() -> None:
    for largest in (0.1, 9.0):
        values = np.append(CLEAN[:-1], largest)
        judge = Judge(reference=reference())
        verdict = judge(class_scores(values), model(width=6), MinNorm())
        assert (verdict.name, verdict.flagged, verdict.p_value) == ("inconclusive", (), None)
        (reason,) = (r for r in verdict.reasons if r.code == "reference-mismatch")
        assert "'test' is of another network" in reason.text


def test_the_note_names_the_reference_and_its_recipe() -> None:
    made = dataclasses.replace(reference(), recipe="two epochs of Adam")
    verdict = Judge(reference=made)(class_scores(CLEAN), model(), MinNorm())
    assert verdict.notes[0] == (
        "calibrated on 99 clean models: test; the p-value holds for clean models of the same "
        "recipe (two epochs of Adam)"
    )


@pytest.mark.parametrize("name", ["mean", "std", "arch", "input-range"])
def test_a_shipped_reference_is_not_used_on_an_assumption(name, monkeypatch) -> None:
    monkeypatch.setattr("triggerfish.verdict.judge.shipped_references", lambda: (reference(),))
    assumed = model(assumptions=(Assumption(name, "some", "usual"),))
    verdict = Judge()(class_scores(CLEAN), assumed, MinNorm())
    assert (verdict.reference, verdict.p_value) == (None, None)
    assert f"because {name} is guessed" in verdict.notes[0]
    assert Judge()(class_scores(CLEAN), model(), MinNorm()).reference == "test"
    harmless = model(assumptions=(Assumption("output_kind", "logits", "no softmax"),))
    assert Judge()(class_scores(CLEAN), harmless, MinNorm()).reference == "test"
    asked = Judge(reference=reference())(class_scores(CLEAN), assumed, MinNorm())
    assert asked.reference == "test"


def strangers():
    statistics = [np.array([k / 100, 0.0, np.nan][: 2 + k % 2]) for k in range(72)]
    return make_any_network_reference("strangers", MinNorm(), statistics, "72 networks")


def test_networks_of_other_people_say_how_unusual_a_score_is(monkeypatch) -> None:
    made = strangers()
    assert parse_reference(render_reference(made), "here") == made
    assert made.raw_maxima().tolist() == [k / 100 for k in range(72)]
    monkeypatch.setattr("triggerfish.verdict.judge.shipped_references", lambda: (made, reference()))
    values = np.append(CLEAN[:-1], 0.70)
    verdict = Judge()(class_scores(values), model(width=6), MinNorm())
    assert verdict.notes[0].endswith(
        "of 72 clean networks of other people, 2 score as high (uncalibrated p 0.041)"
    )
    assert (verdict.p_value, verdict.reference) == (None, None)
    assert Judge()(class_scores(values), model(), MinNorm()).reference == "test"
    other = Judge()(class_scores(values), model(), MinNorm(steps=7))
    assert "other people" not in other.notes[0]


def test_a_collection_of_strangers_may_be_asked_for() -> None:
    verdict = Judge(reference=strangers())(class_scores(CLEAN), model(), MinNorm())
    assert (verdict.name, verdict.reasons) == ("clean", ())
    assert "of 72 clean networks of other people, 65 score as high" in verdict.notes[0]


def test_flagged_classes_name_who_saw_them() -> None:
    values = CLEAN.copy()
    values[5] = 3.0
    verdict = Judge()(class_scores(values), model(), MinNorm())
    assert verdict.seen_by == {5: ("min-norm",)}
    assert Judge()(class_scores(CLEAN), model(), MinNorm()).seen_by == {}


def test_plain_data_says_which_reference() -> None:
    plain = Judge(reference=reference()).as_plain()
    assert plain["reference"]["name"] == "test"
    assert plain["reference"]["size"] == 99
    assert Judge().as_plain()["reference"] is None


def test_infinite_scores_make_no_reference() -> None:
    with pytest.raises(ValueError, match="finite scores"):
        make_any_network_reference("x", MinNorm(), [np.array([np.inf])] * 10)
    assert torch.isfinite(torch.tensor(strangers().raw_maxima())).all()


def of_two(norms: np.ndarray, whole: np.ndarray, **more: object) -> ClassScores:
    """What the ensemble gives: its own statistic, and the one of min-norm as a part."""
    parts = (class_scores(norms), class_scores(whole))
    return dataclasses.replace(class_scores(whole), parts=parts, **more)


HIGH = np.append(CLEAN[:-1], 9.0)


@pytest.mark.parametrize(
    ("norms", "whole", "name", "flagged", "codes"),
    [
        (CLEAN, CLEAN, "clean", (), ()),
        (HIGH, CLEAN, "backdoored", (7,), ()),
        (HIGH, HIGH[::-1].copy(), "backdoored", (7,), ()),
        (CLEAN, HIGH, "inconclusive", (), ("detectors-disagree",)),
    ],
)
def test_a_part_with_a_reference_decides(norms, whole, name, flagged, codes) -> None:
    verdict = Judge(reference=reference())(of_two(norms, whole), model(), Ensemble())
    assert (verdict.name, verdict.flagged) == (name, flagged)
    assert tuple(reason.code for reason in verdict.reasons) == codes
    assert verdict.reference == "test"
    assert verdict.notes[0] == "judged by min-norm, which has a reference"
    if flagged:
        assert verdict.seen_by[7][0] == "min-norm"
    if codes:
        assert "class 7 scores 9.00" in verdict.reasons[0].text


def test_without_a_reference_the_whole_decides() -> None:
    for norms, whole, name in ((HIGH, CLEAN, "clean"), (CLEAN, HIGH, "backdoored")):
        verdict = Judge()(of_two(norms, whole), model(width=6), Ensemble())
        assert (verdict.name, verdict.reference) == (name, None)
        assert verdict.notes[0].startswith("uncalibrated: no clean reference models")


def test_a_reference_of_a_part_that_does_not_match_voids_the_whole() -> None:
    verdict = Judge(reference=reference())(of_two(HIGH, HIGH), model(width=6), Ensemble())
    assert (verdict.name, verdict.flagged) == ("inconclusive", ())
    assert verdict.reasons[0].code == "reference-mismatch"


def test_a_reference_of_a_part_is_withheld_on_an_assumption(monkeypatch) -> None:
    monkeypatch.setattr("triggerfish.verdict.judge.shipped_references", lambda: (reference(),))
    assumed = model(assumptions=(Assumption("mean", "some", "usual"),))
    verdict = Judge()(of_two(HIGH, CLEAN), assumed, Ensemble())
    assert (verdict.name, verdict.reference) == ("clean", None)
    assert "because mean is guessed" in verdict.notes[0]


def test_classes_out_of_reach_are_ordinary_unless_they_are_most() -> None:
    for out, name in ((1, "clean"), (2, "clean"), (5, "inconclusive")):
        values = CLEAN.copy()
        values[:out] = np.nan
        status = (Status.UNREACHABLE,) * out + (Status.CONVERGED,) * (8 - out)
        scores = dataclasses.replace(class_scores(values), status=status)
        verdict = Judge()(scores, model(width=6), Ensemble())
        assert verdict.name == name
        assert ("unreachable" in {r.code for r in verdict.reasons}) == (name == "inconclusive")
        assert verdict.notes[1].startswith("the search reached no pattern for")
        assert Judge()(scores, model(width=6), MinNorm()).name == "inconclusive"
