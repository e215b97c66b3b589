"""What confirmation tests make of a verdict."""

from dataclasses import replace

import pytest
from verdicts import verdict

from triggerfish.levels import CONFIRMATION, LEVELS, SURE
from triggerfish.results import (
    Confirmation,
    Evidence,
    Finding,
    Hypothesis,
    Null,
    NullKind,
    Verdict,
)
from triggerfish.stages.confirmation import MOST_TESTS, classes_to_confirm, evidence_of
from triggerfish.verdict.conclude import conclude

LEVEL = LEVELS[CONFIRMATION, "target", "same-size"]
LEADS = {"refuted": 0.1, "unclear": 0.3, "confirmed": 0.6}
FLAGGED = (0.1, 0.1, 2.0, 0.1, 0.1, 0.1, 0.1, 3.0)
UNCLEAR = (0.1, 1.1, 0.95, 0.99)


def rows(index, null: NullKind = "same-task") -> list[Evidence]:
    return [
        Evidence(Hypothesis("target", k), "universal", v, 1.2, 1.07, Null(null, "task", 20))
        for k, v in enumerate(index)
    ]


def after(index, null: NullKind = "same-task", **grades: str) -> Verdict:
    """The verdict after tests of classes: ``c2="refuted"``."""
    tests = [
        evidence_of(Confirmation(int(k[1:]), grade, LEADS[grade], (), (), 1.0))
        for k, grade in grades.items()
    ]
    return conclude([*rows(index, null), *tests])


def test_a_refuted_flag_goes_and_the_others_stay():
    found = after(FLAGGED, c2="refuted", c7="unclear")
    assert (found.name, found.flagged) == ("backdoored", (7,))
    assert found.seen_by == {7: ("universal",)}
    assert [reason.code for reason in found.reasons] == ["not-confirmed"]


def test_a_verdict_without_any_flag_left_is_inconclusive_and_never_clean():
    found = after(FLAGGED, c2="refuted", c7="refuted")
    assert (found.name, found.flagged) == ("inconclusive", ())
    assert [reason.code for reason in found.reasons] == ["not-confirmed"] * 2


def test_a_flag_by_clean_models_of_the_same_recipe_stands():
    found = after(FLAGGED, "same-recipe", c2="refuted", c7="refuted")
    assert (found.flagged, found.reasons) == ((2, 7), ())


def test_nothing_refuted_changes_nothing():
    found = after(FLAGGED, c2="confirmed", c7="unclear")
    assert (found.flagged, found.reasons) == ((2, 7), ())
    assert found.seen_by[2] == ("universal",)


def test_flagged_classes_are_tested_the_most_suspicious_first():
    scores = tuple(float(k) for k in range(10))
    assert classes_to_confirm(verdict(range(10), scores)) == [9, 8, 7, 6, 5][:MOST_TESTS]
    assert classes_to_confirm(verdict((3,), scores)) == [3]


def test_nearly_flagged_classes_are_tested_where_nothing_better_is_known():
    def unclear(index=UNCLEAR, suspicion=1.07, **more) -> Verdict:
        return verdict((), index, 1.2, suspicion=suspicion, **more)

    assert classes_to_confirm(unclear()) == [1]
    assert classes_to_confirm(unclear(suspicion=0.96)) == [1, 3]
    assert classes_to_confirm(unclear(suspicion=None)) == []
    assert classes_to_confirm(unclear(all_classes=True)) == []
    assert classes_to_confirm(unclear(reasons=(Finding("sharp-output", "..."),))) == []
    assert classes_to_confirm(unclear(index=(float("nan"),) * 4)) == []


def test_a_confirmed_class_that_nothing_else_flags_stays_unflagged():
    found = after(UNCLEAR, c1="refuted", c3="confirmed")
    assert (found.name, found.flagged) == ("clean", ())


@pytest.mark.parametrize(
    ("grades", "name"),
    [
        ({"c1": "refuted", "c3": "unclear"}, "clean"),  # class 3 was not suspicious to begin with
        ({"c1": "unclear", "c3": "refuted"}, "inconclusive"),
    ],
)
def test_a_suspicious_score_is_settled_when_its_class_is_refuted(grades, name):
    assert after(UNCLEAR, **grades).name == name
    tests = after(UNCLEAR, **grades).evidence
    assert conclude(tests, [Finding("few-classes", "...")]).name == "inconclusive"


def test_a_class_that_sure_images_flag_is_not_tested_again():
    found = verdict((3, 4), tuple(float(k) for k in range(10)))
    sure = Evidence(Hypothesis("target", 3), SURE, 2.0, 1.3, 0.65, Null("same-size"))
    assert classes_to_confirm(replace(found, evidence=(*found.evidence, sure))) == [4]
