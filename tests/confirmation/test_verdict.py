from dataclasses import replace

import pytest

from triggerfish.confirmation.verdict import MOST_TESTS, after_confirmations, classes_to_confirm
from triggerfish.results import BasisEvidence, Confirmation, Finding, Verdict

FLAGGED = Verdict(
    "backdoored", (2, 7), (0.1,) * 10, 1.15, seen_by={2: ("universal",), 7: ("universal",)}
)
UNCLEAR = Verdict(
    "inconclusive",
    (),
    (0.1, 1.1, 0.95, 0.99),
    1.2,
    (Finding("unclear-score", "..."),),
    suspicion_threshold=1.07,
)


def confirmation(target: int, grade: str) -> Confirmation:
    evidence = BasisEvidence("pixel", 1.0, 0.5, 0.5, 0.5, 0.5, 0.9, (0.4,))
    return Confirmation(target, grade, 0.1, (evidence,), (), 1.0)


def test_a_refuted_flag_goes_and_the_others_stay():
    verdict = after_confirmations(FLAGGED, [confirmation(2, "refuted"), confirmation(7, "unclear")])
    assert (verdict.name, verdict.flagged) == ("backdoored", (7,))
    assert verdict.seen_by == {7: ("universal",)}
    assert [reason.code for reason in verdict.reasons] == ["not-confirmed"]


def test_a_verdict_without_any_flag_left_is_inconclusive_and_never_clean():
    verdict = after_confirmations(FLAGGED, [confirmation(2, "refuted"), confirmation(7, "refuted")])
    assert (verdict.name, verdict.flagged) == ("inconclusive", ())
    attack_on_all = replace(FLAGGED, flagged=(2,), all_classes=True)
    assert after_confirmations(attack_on_all, [confirmation(2, "refuted")]).name == "backdoored"


def test_a_flag_by_clean_models_of_the_same_recipe_stands():
    calibrated = replace(FLAGGED, reference="clean models")
    assert (
        after_confirmations(calibrated, [confirmation(2, "refuted"), confirmation(7, "refuted")])
        is calibrated
    )


def test_nothing_refuted_changes_nothing():
    assert (
        after_confirmations(FLAGGED, [confirmation(2, "confirmed"), confirmation(7, "unclear")])
        == FLAGGED
    )
    assert after_confirmations(UNCLEAR, []) is UNCLEAR


def test_flagged_classes_are_looked_at_the_most_suspicious_first():
    scores = tuple(float(k) for k in range(10))
    verdict = replace(FLAGGED, flagged=tuple(range(10)), anomaly_index=scores)
    assert classes_to_confirm(verdict) == [9, 8, 7, 6, 5][:MOST_TESTS]
    assert classes_to_confirm(replace(verdict, flagged=(3,))) == [3]


def test_nearly_flagged_classes_are_looked_at_where_nothing_better_is_known():
    assert classes_to_confirm(UNCLEAR) == [1]
    assert classes_to_confirm(replace(UNCLEAR, suspicion_threshold=0.96)) == [1, 3]
    assert classes_to_confirm(replace(UNCLEAR, suspicion_threshold=None)) == []
    assert classes_to_confirm(replace(UNCLEAR, all_classes=True)) == []
    sharp = (*UNCLEAR.reasons, Finding("sharp-output", "..."))
    assert classes_to_confirm(replace(UNCLEAR, reasons=sharp)) == []
    unmeasured = replace(UNCLEAR, anomaly_index=(float("nan"),) * 4)
    assert classes_to_confirm(unmeasured) == []


def test_a_confirmed_class_is_flagged_and_the_verdict_says_by_what():
    verdict = after_confirmations(
        UNCLEAR, [confirmation(1, "refuted"), confirmation(3, "confirmed")]
    )
    assert (verdict.name, verdict.flagged) == ("backdoored", (3,))
    assert verdict.seen_by == {3: ("confirmation test",)}
    assert verdict.reasons == ()
    assert "class 3 is flagged by a confirmation test" in verdict.notes[-1]


@pytest.mark.parametrize(
    ("grades", "name"),
    [
        (("refuted", "unclear"), "clean"),  # class 3 was no doubt to begin with
        (("unclear", "refuted"), "inconclusive"),
    ],
)
def test_a_doubtful_score_is_settled_when_its_class_is_refuted(grades, name):
    confirmations = [confirmation(k, grade) for k, grade in zip((1, 3), grades, strict=True)]
    assert after_confirmations(UNCLEAR, confirmations).name == name
    other = replace(UNCLEAR, reasons=(*UNCLEAR.reasons, Finding("few-classes", "...")))
    assert after_confirmations(other, confirmations).name == "inconclusive"
