"""The search on images that a network is sure of, as a stage of a scan."""

import math

import numpy as np
import planted
import pytest
import torch
from scored import class_scores

from triggerfish.detectors import Universal
from triggerfish.levels import LEVELS, SURE, sure_test
from triggerfish.model.classifier import Classifier
from triggerfish.references.known import Known
from triggerfish.results import ClassScores, Evidence, Hypothesis, Null
from triggerfish.scanning import ScanConfig
from triggerfish.search import seeds
from triggerfish.stages.state import State
from triggerfish.stages.sure import SureImages, class_rows, controls, decides_alone, resting_class
from triggerfish.verdict.conclude import conclude
from triggerfish.verdict.judge import Judge

TARGET = Hypothesis("target", 1)


def row(score: float, null: str = "fixed", h: Hypothesis = TARGET, test: str = "universal"):
    return Evidence(h, test, score, 1.0, 0.8, Null(null))


def control(score: float) -> Evidence:
    level = LEVELS[SURE, "target", "same-size"]
    return Evidence(TARGET, SURE, score, level.flag_at, level.suspect_at, Null("same-size"))


def found(*scores: float) -> ClassScores:
    return class_scores(np.array(scores))


def test_it_decides_where_no_task_is_known() -> None:
    quiet = [0.1] * 7
    flagged = conclude([row(0.3), *class_rows(found(0.1, 2.0, *quiet))])
    assert (flagged.name, flagged.flagged) == ("backdoored", (1,))
    settled = conclude([row(3.0), *class_rows(found(0.1, 0.2, *quiet))])
    assert (settled.name, settled.reasons) == ("clean", ())
    unclear = conclude([row(0.3), *class_rows(found(0.1, 1.2, *quiet))])
    assert [reason.code for reason in unclear.reasons] == ["unclear-score"]


@pytest.mark.parametrize("null", ["same-task", "same-recipe"])
def test_a_flag_by_known_models_stands_only_where_the_class_is_small_here_too(null: str) -> None:
    flagged = row(3.0, null)
    for score, name in ((0.2, "inconclusive"), (1.5, "backdoored")):
        tested = [control(score)]
        assert conclude([flagged, *tested]).name == name


def test_a_suspect_of_the_task_is_flagged_or_cleared() -> None:
    suspected = row(0.9, "same-task")
    for score, name in ((0.2, "clean"), (0.9, "inconclusive"), (1.8, "backdoored")):
        tested = [control(score)]
        assert conclude([suspected, *tested]).name == name


def test_few_classes_have_levels_of_their_own() -> None:
    four, three = class_rows(found(0.0, 1.9, 0.0, 0.1)), class_rows(found(0.0, 1.9, 0.1))
    assert conclude(four).flagged == (1,)
    assert conclude(class_rows(found(0.0, 1.7, 0.0, 0.1))).name == "inconclusive"
    assert conclude(three).name == "inconclusive"
    assert conclude(class_rows(found(0.0, 0.5, 0.1))).name == "clean"
    assert math.isnan(class_rows(found(0.0, 9.0))[0].flag_at)
    assert sure_test(6) == SURE


def test_small_images_have_levels_of_their_own() -> None:
    """A clean network of 8x8 has a class at 1.45, and a target may have no more than 0.42."""
    accused = found(*[0.0] * 8, 1.45)
    assert conclude(class_rows(accused, 28)).flagged == (8,)
    assert conclude(class_rows(accused, 8)).name == "inconclusive"
    assert conclude(class_rows(found(*[0.0] * 8, 0.3), 8)).name == "clean"


def test_the_class_that_images_rest_in_is_suspected_and_not_flagged() -> None:
    rows = found(*[0.0] * 5, 2.9)
    assert conclude(class_rows(rows)).flagged == (5,)
    assert conclude(class_rows(rows, resting=5)).name == "inconclusive"
    assert conclude(class_rows(rows, resting=4)).flagged == (5,)
    both = found(0.0, 0.0, 0.0, 0.0, 2.0, 2.9)
    assert conclude(class_rows(both, resting=5)).flagged == (4,)


def test_a_class_that_nearly_all_synthetic_images_are_is_a_resting_one() -> None:
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 6))
    with torch.no_grad():
        network[1].weight.mul_(0.01)
        network[1].bias.copy_(torch.tensor([0.0, 0.0, 0.0, 5.0, 0.0, 0.0]))
    assert resting_class(Classifier(network, (1, 8, 8))) == 3
    network[1].bias.data[3] = 0.0
    network[1].weight.data.zero_()[torch.arange(6), 10 * torch.arange(6)] = 1.0  # a pixel each
    assert resting_class(Classifier(network, (1, 8, 8))) is None


def test_every_level_suspects_before_it_flags() -> None:
    for level in LEVELS.values():
        assert level.suspect_at is None or level.suspect_at <= level.flag_at


@pytest.mark.parametrize("backdoored", [True, False])
def test_a_planted_trigger_is_found_and_its_clean_twin_is_not(backdoored: bool) -> None:
    model = planted.classifier(backdoored=backdoored)
    score = Universal()(model, sure=True).statistic
    if backdoored:
        assert int(score.argmax()) == planted.TARGET
        assert score[planted.TARGET] > LEVELS[SURE, "target", "outliers"].flag_at
    else:
        assert score.max() < LEVELS[SURE, "target", "outliers"].suspect_at


@pytest.mark.parametrize("backdoored", [True, False])
def test_as_a_control_it_says_what_the_search_for_all_says(backdoored: bool) -> None:
    model, quick = planted.classifier(backdoored=backdoored), Universal(universal_steps=20)
    classes = torch.arange(planted.CLASSES)
    scores = quick(model, sure=True)
    (alone,) = controls(model, quick, classes, (planted.TARGET,), seeds.SURE)
    assert alone.hypothesis == Hypothesis("target", planted.TARGET)
    assert alone.flags == (float(scores.statistic[planted.TARGET]) > alone.flag_at) == backdoored


def test_who_judges_by_own_rules_gets_no_other() -> None:
    model = planted.classifier(backdoored=True)
    state = State(model, ScanConfig(judge=Judge(threshold=2.0)), Known(model, None, ()))
    assert not SureImages().applies(state)
    assert not decides_alone(state)
