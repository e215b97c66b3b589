import dataclasses

import numpy as np
import pytest
import torch
from scored import class_scores, clean_scores, model, reference

from triggerfish.detectors import MMBD, MinNorm, PairwiseNorm
from triggerfish.errors import CheckpointError
from triggerfish.model.classifier import Classifier, Preprocessing
from triggerfish.references.known import Known
from triggerfish.references.making import make_reference
from triggerfish.references.recognition import fingerprint
from triggerfish.references.store import (
    parse_reference,
    render_reference,
    shipped_references,
)
from triggerfish.results import Finding, Status
from triggerfish.verdict.judge import Judge

DEFAULT = MinNorm()


def test_it_survives_its_own_json():
    made = reference()
    assert parse_reference(render_reference(made), "here") == made


def test_conformal_p_values_are_uniform_on_fresh_clean_models():
    made = reference(199)
    fresh = clean_scores(2000, seed=1)
    p = np.array([made.p_value(np.max(made.centered(v))) for v in fresh])
    for level in (0.05, 0.2, 0.5):
        assert abs(np.mean(p <= level) - level) < 0.05


def test_p_value_and_threshold_by_hand():
    made = reference(99)
    maxima = made.clean_maxima()
    assert made.p_value(maxima[-1] + 1) == made.smallest_p_value == 1 / 100
    assert made.p_value(-9) == 1
    assert made.threshold(0.05) >= np.quantile(maxima, 0.94)
    assert made.threshold(0.001) >= maxima[-1]
    assert made.threshold(1e-6) > made.threshold(0.001)


def test_it_matches_the_same_network_and_task_and_nothing_else():
    made = reference()
    found = lambda m, d=DEFAULT: Known(m, None, (made,)).choose(d).reference  # noqa: E731
    assert found(model()) == made
    assert found(model(), MinNorm(memory_mib=7.0)) == made
    assert found(model(width=6)) is None
    assert found(model(preprocessing=Preprocessing(mean=(0.5,)))) is None
    assert found(model(), MinNorm(target_log_odds=1.0)) is None
    assert found(model(), MMBD()) is None
    callable_model = Classifier(lambda x: x.flatten(1)[:, :8], (1, 4, 4), output="logits")
    assert found(callable_model) is None
    assert fingerprint(callable_model)[0] == ""


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"schema_version": 9}', render_reference(reference()).replace("0.", "x", 1)],
)
def test_a_file_that_is_no_reference_is_refused(text):
    with pytest.raises(CheckpointError, match="expected a reference"):
        parse_reference(text, "file.json")


def test_too_few_models_make_no_reference():
    with pytest.raises(ValueError, match="at least 10"):
        make_reference("few", MinNorm(), model(), clean_scores(9))


def test_shipped_references_can_be_read():
    assert all(r.size >= 10 for r in shipped_references())


def test_the_verdict_says_what_it_rests_on():
    judge = Judge(reference=reference())
    values = np.arange(8) / 10
    clean = judge(class_scores(values), model(), MinNorm())
    assert (clean.name, clean.flagged, clean.reference) == ("clean", (), "test")
    assert clean.p_value > 0.5
    values[2] += 2.0  # 2.2 is not the point: class 2 is 0.2 when clean
    attacked = judge(class_scores(values), model(), MinNorm())
    assert (attacked.name, attacked.flagged) == ("backdoored", (2,))
    assert attacked.p_value == attacked.smallest_p_value == 1 / 100


def test_without_a_match_it_says_uncalibrated():
    verdict = Judge()(class_scores(np.arange(8) / 10), model(), MinNorm())
    assert verdict.name == "clean"
    assert verdict.reference is None
    assert verdict.p_value is None
    assert "uncalibrated" in verdict.notes[0]


def test_without_a_match_it_compares_with_clean_models_of_other_networks():
    made = reference()
    largest = np.sort(made.matrix().max(1))
    values = np.zeros(8)
    values[2] = largest[-3]
    judge = Judge(reference=made)
    verdict = judge(class_scores(values), model(width=6), MinNorm())
    assert verdict.reference is None
    assert verdict.notes[0].endswith("of 99 clean models of others, 3 score as high")
    other = judge(class_scores(values), model(width=6), PairwiseNorm())
    assert other.notes[0].endswith("for pairwise-norm")


@pytest.mark.parametrize(
    ("largest", "name"), [(0.9, "clean"), (1.2, "inconclusive"), (1.5, "backdoored")]
)
def test_without_a_match_there_are_scores_that_decide_nothing(largest, name):
    values = np.arange(8) / 100
    values[5] = largest
    verdict = Judge()(class_scores(values), model(), MinNorm())
    assert verdict.name == name
    assert (name == "inconclusive") == any(r.code == "unclear-score" for r in verdict.reasons)
    decided = Judge(threshold=1.3)(class_scores(values), model(), MinNorm())
    assert decided.reasons == ()


def test_unmeasured_classes_without_a_flag_are_inconclusive():
    values = np.arange(8) / 10
    values[0] = np.nan
    scores = dataclasses.replace(
        class_scores(values), status=(Status.UNREACHABLE,) + (Status.CONVERGED,) * 7
    )
    verdict = Judge()(scores, model(), MinNorm())
    assert verdict.name == "inconclusive"
    assert "unreachable" in str(verdict.reasons[0])


def test_runs_that_flag_other_classes_are_a_reason_and_runs_that_agree_a_note():
    values = np.arange(8) / 100
    near = values.copy()
    near[5] = 1.5
    runs = torch.from_numpy(np.stack([values, near]))
    scores = dataclasses.replace(class_scores(values), restarts=runs)
    verdict = Judge()(scores, model(), MinNorm())
    assert verdict.name == "inconclusive"
    assert "flag different classes (none; 5): " in str(verdict.reasons[0])
    assert "[runs-disagree]" in str(verdict.reasons[0])
    assert verdict.notes[1].startswith("1 of 2 single runs")
    flagged = Judge()(dataclasses.replace(scores, statistic=runs[1]), model(), MinNorm())
    assert (flagged.name, flagged.flagged) == ("backdoored", (5,))
    agreeing = dataclasses.replace(scores, restarts=runs[[0, 0]])
    verdict = Judge()(agreeing, model(), MinNorm())
    assert (verdict.name, verdict.reasons) == ("clean", ())
    assert verdict.notes[1] == "2 of 2 single runs flag the same classes"


@pytest.mark.parametrize(
    ("code", "name"), [("sharp-output", "inconclusive"), ("flat-output", "backdoored")]
)
def test_a_flag_stands_beside_a_reason_unless_the_model_cannot_be_measured(code, name):
    values = np.arange(8) / 100
    values[5] = 2.0
    finding = Finding(code, "expected this, got that: do so")
    verdict = Judge()(class_scores(values), model(), MinNorm(), [finding])
    assert (verdict.name, bool(verdict.flagged)) == (name, name == "backdoored")
    assert code in str(verdict.reasons[0])
