"""Rows of evidence and findings -> one verdict, whatever order they come in."""

import math
from dataclasses import replace

import pytest

from triggerfish.levels import SURE
from triggerfish.results import (
    PRECEDENCE,
    Evidence,
    Finding,
    Hypothesis,
    Null,
    NullKind,
    Verdict,
)
from triggerfish.verdict.conclude import conclude

EVERYWHERE = Hypothesis("all-classes")


def row(target: int | Hypothesis, score: float, null: NullKind = "fixed", **more) -> Evidence:
    hypothesis = target if isinstance(target, Hypothesis) else Hypothesis("target", target)
    values = {"test": "t", "flag_at": 1.0, "suspect_at": 0.8, "null": Null(null, null, 20), **more}
    return Evidence(hypothesis, score=score, **values)


def codes(verdict: Verdict) -> list[str]:
    return [reason.code for reason in verdict.reasons]


@pytest.mark.parametrize("weak", range(1, len(PRECEDENCE)))
def test_the_strongest_null_decides_and_a_weaker_one_is_a_doubt(weak: int) -> None:
    calm, loud = row(3, 0.1, PRECEDENCE[weak - 1]), row(3, 2.0, PRECEDENCE[weak], test="other")
    settled = PRECEDENCE[weak - 1] == "outliers"  # a fixed level is no population of clean models
    for rows in ([calm, loud], [loud, calm]):
        assert conclude(rows).name == ("clean" if settled else "inconclusive")
        assert codes(conclude(rows)) == ([] if settled else ["detectors-disagree"])
    loud, calm = replace(loud, null=calm.null), replace(calm, null=loud.null)
    assert conclude([loud, calm]).flagged == (3,)


@pytest.mark.parametrize(("size", "settled"), [(0.1, True), (0.9, False)])
def test_a_disagreement_is_settled_where_the_class_is_ordinary_on_sure_images(
    size: float, settled: bool
) -> None:
    calm, loud = row(3, 0.1, "same-recipe"), row(3, 2.0, "same-task", test="other")
    other = row(5, 2.0, "same-task", test="other")
    test = row(3, size, "same-size", test=SURE)
    verdict = conclude([calm, loud, test])
    assert verdict.name == ("clean" if settled else "inconclusive")
    assert codes(verdict) == ([] if settled else ["detectors-disagree"])
    both = conclude([calm, loud, test, row(5, 0.1, "same-recipe"), other])
    (reason,) = both.reasons  # what another class's test says is nothing about this one
    assert ("class 3" not in reason.text, "class 5" in reason.text) == (settled, True)


def test_only_a_search_on_sure_images_speaks_against_a_flag_beside_a_known_error_rate() -> None:
    calm, loud = row(3, 0.1, "same-recipe"), row(3, 2.0, "same-task", test="other")
    assert codes(conclude([calm, loud, row(3, 0.1, "same-size")])) == ["detectors-disagree"]


def test_a_test_without_a_row_that_it_tests_decides_nothing() -> None:
    alone = conclude([row(3, 2.0, "same-size")])
    assert (alone.name, alone.flagged, codes(alone)) == ("inconclusive", (), [])


def test_what_is_a_note_only_never_flags() -> None:
    noted = row(2, 9.0, note_only=True)
    verdict = conclude([row(2, 0.1), noted])
    assert (verdict.name, verdict.reasons) == ("clean", ())
    assert conclude([row(2, 9.0), noted]).seen_by == {2: ("t",)}


def test_one_target_comes_before_an_attack_on_every_class() -> None:
    both = conclude([row(1, 2.0), row(EVERYWHERE, 2.0)])
    assert (both.flagged, both.all_classes) == ((1,), False)
    alone = conclude([row(1, 0.0), row(EVERYWHERE, 2.0)])
    assert (alone.name, alone.flagged, alone.all_classes) == ("backdoored", (), True)
    unclear = conclude([row(1, 0.0), row(EVERYWHERE, 0.9)])
    assert codes(unclear) == ["unclear-all-classes"]


def test_findings_that_void_scores_leave_no_flag() -> None:
    sharp = Finding("sharp-output", "...")
    found = conclude([row(1, 9.0), row(EVERYWHERE, 9.0)], [sharp])
    assert (found.name, found.accused, found.reasons) == ("inconclusive", (), (sharp,))
    place = Hypothesis("structure", place="node 3")
    structure = conclude([row(1, 9.0), row(place, 2.0)], [sharp])
    assert (structure.name, structure.accused) == ("backdoored", (place,))
    assert str(replace(structure, reasons=())) == "backdoored (node 3)"


def test_what_was_not_measured_is_never_clean() -> None:
    assert conclude([]).name == "inconclusive"
    assert conclude([row(0, math.nan)]).name == "inconclusive"
    assert conclude([row(0, 0.1, flag_at=math.nan)]).name == "inconclusive"
    assert conclude([row(0, 0.1)]).name == "clean"


def test_sources_are_those_of_flagged_classes_and_of_no_other() -> None:
    pairs = [row(Hypothesis("pair", k, k + 1), 2.0 if k == 3 else 0.1) for k in range(6)]
    verdict = conclude(pairs)
    assert (verdict.flagged, verdict.sources) == ((3,), {3: 4})
    voided = conclude(pairs, [Finding("reference-mismatch", "...")])
    assert (voided.flagged, dict(voided.sources)) == ((), {})


def test_a_verdict_cannot_disagree_with_its_rows() -> None:
    accused = conclude([row(3, 2.0)])
    for wrong in ({"name": "clean"}, {"accused": ()}, {"accused": (Hypothesis("target", 4),)}):
        with pytest.raises(ValueError, match="expected"):
            replace(accused, **wrong)
    with pytest.raises(ValueError, match="no reason to doubt"):
        replace(conclude([row(3, 0.1)]), reasons=(Finding("ties", "..."),))


def test_concluding_again_says_the_same() -> None:
    unclear = conclude([row(0, 0.9), row(1, 0.1)], [Finding("ties", "...")], ["a note"])
    again = conclude(unclear.evidence, unclear.reasons, unclear.notes)
    assert again == unclear
    assert codes(again) == ["ties", "unclear-score"]


@pytest.mark.parametrize(("sure", "stands"), [(1.2, True), (0.9, False), (0.1, False)])
def test_a_flag_on_sure_images_needs_no_confirmation_test(sure: float, stands: bool) -> None:
    rows = [
        row(3, 2.0, "same-task"),
        row(3, 0.1, "same-size", test="confirmation test"),
        row(3, sure, "same-size", test=SURE),
    ]
    for order in (rows, [rows[0], rows[2], rows[1]]):
        assert (conclude(order).flagged == (3,)) is stands
