"""The search on images that a network is sure of, as a stage of a scan."""

import math
from dataclasses import replace

import numpy as np
import planted
import pytest
import torch
from scored import class_scores

from triggerfish.levels import LEVELS, SURE, sure_test
from triggerfish.references.known import Known
from triggerfish.results import Evidence, Hypothesis, Null
from triggerfish.scanning import ScanConfig
from triggerfish.stages.state import State
from triggerfish.stages.sure import (
    MOST_CLASSES,
    SureImages,
    SureScores,
    classes_to_search,
    search_sure,
)
from triggerfish.verdict.conclude import conclude
from triggerfish.verdict.judge import Judge

TARGET = Hypothesis("target", 1)


def row(score: float, null: str = "fixed", h: Hypothesis = TARGET, test: str = "universal"):
    return Evidence(h, test, score, 1.0, 0.8, Null(null))


def found(*scores: float, everywhere: float | None = None) -> SureScores:
    values = torch.tensor(scores, dtype=torch.float64)
    return SureScores(tuple(range(len(scores))), values, everywhere)


def test_it_decides_where_no_task_is_known() -> None:
    quiet = [0.1] * 7
    flagged = conclude([row(0.3), *found(0.1, 2.0, *quiet).rows()])
    assert (flagged.name, flagged.flagged) == ("backdoored", (1,))
    settled = conclude([row(3.0), *found(0.1, 0.2, *quiet).rows()])
    assert (settled.name, settled.reasons) == ("clean", ())
    unclear = conclude([row(0.3), *found(0.1, 1.2, *quiet).rows()])
    assert [reason.code for reason in unclear.reasons] == ["unclear-score"]


@pytest.mark.parametrize("null", ["same-task", "same-recipe"])
def test_a_flag_by_known_models_stands_only_where_the_class_is_small_here_too(null: str) -> None:
    rows = [row(3.0, null)]
    for score, name in ((0.2, "inconclusive"), (1.5, "backdoored")):
        tests = found(0.1, score, *[0.1] * 7).tests((TARGET,))
        assert conclude([*rows, *tests]).name == name


def test_a_suspect_of_the_task_is_flagged_or_cleared() -> None:
    suspected = row(0.9, "same-task")
    for score, name in ((0.2, "clean"), (0.9, "inconclusive"), (1.8, "backdoored")):
        tests = found(0.1, score, *[0.1] * 7).tests((TARGET,))
        assert conclude([suspected, *tests]).name == name


def test_all_classes_have_a_null_of_their_own() -> None:
    plain = row(1.3, h=Hypothesis("all-classes"))
    quiet = [0.1] * 8
    assert conclude([plain, *found(*quiet, everywhere=0.1).rows()]).name == "clean"
    assert conclude([plain, *found(*quiet, everywhere=1.8).rows()]).all_classes


def test_few_classes_have_levels_of_their_own() -> None:
    four, three = found(0.0, 1.4, 0.0, 0.1).rows(), found(0.0, 1.4, 0.1).rows()
    assert conclude(four).flagged == (1,)
    assert conclude(three).name == "inconclusive"
    assert conclude(found(0.0, 0.5, 0.1).rows()).name == "clean"
    assert math.isnan(found(0.0, 9.0).rows()[0].flag_at)
    assert sure_test(6) == SURE


def test_every_level_suspects_before_it_flags() -> None:
    for level in LEVELS.values():
        assert level.suspect_at is None or level.suspect_at <= level.flag_at


def test_very_many_classes_are_sampled_with_the_suspects() -> None:
    scores = many_scores(1000)
    chosen = classes_to_search(scores)
    assert len(chosen) <= MOST_CLASSES + 1
    assert 517 in chosen
    assert chosen == tuple(sorted(set(chosen)))
    assert classes_to_search(many_scores(20)) == tuple(range(20))


def many_scores(classes: int):
    statistic = torch.zeros(classes, dtype=torch.float64)
    statistic[min(517, classes - 1)] = 3.0
    return replace(class_scores(np.zeros(8)), statistic=statistic)


@pytest.mark.parametrize("backdoored", [True, False])
def test_a_planted_trigger_is_found_and_its_clean_twin_is_not(backdoored: bool) -> None:
    model = planted.classifier(backdoored=backdoored)
    score = search_sure(model, tuple(range(planted.CLASSES)), seed=0).score
    if backdoored:
        assert int(score.argmax()) == planted.TARGET
        assert score[planted.TARGET] > LEVELS[SURE, "target", "outliers"].flag_at
    else:
        assert score.max() < LEVELS[SURE, "target", "outliers"].suspect_at


def test_who_judges_by_own_rules_gets_no_other() -> None:
    model = planted.classifier(backdoored=True)
    state = State(model, ScanConfig(judge=Judge(threshold=2.0)), Known(model, None, ()))
    assert not SureImages().applies(state)
