"""Networks that were trained on one task, and what their classes are compared with."""

import dataclasses
from typing import ClassVar

import numpy as np
import pytest
import torch
import trained
from scored import class_scores
from torch import nn

from triggerfish.detectors import Ensemble, MinNorm
from triggerfish.levels import LEVELS, Level
from triggerfish.model.classifier import Classifier
from triggerfish.references.making import make_any_network_reference, make_task_reference
from triggerfish.references.recognition import ALIKE, PICTURES, answers, likeness, mean_answers
from triggerfish.references.store import (
    parse_reference,
    render_reference,
    shipped_references,
)
from triggerfish.verdict.judge import Judge

USUAL = np.arange(8) / 5
"""What is ordinary for the classes: the last is far above the first."""


class WithLevels(MinNorm):
    """min-norm with levels among networks of the task."""

    scored_by: ClassVar[str] = "with levels"
    EFFORT: ClassVar[frozenset[str]] = frozenset({"steps"})


def network(seed: int, *, spread: float = 0.3, order: slice = slice(None), scale: float = 1.0):
    """One of a family: a common network, and a little that is its own."""
    common, own = torch.Generator().manual_seed(0), torch.Generator().manual_seed(seed + 1)
    weight = torch.randn(8, 16, generator=common)
    weight = weight + spread * torch.randn(8, 16, generator=own)
    linear = nn.Linear(16, 8)
    with torch.no_grad():
        linear.weight.copy_(scale * weight[order])
        linear.bias.zero_()
    return Classifier(nn.Sequential(nn.Flatten(), linear), (1, 4, 4))


@pytest.fixture(autouse=True)
def levels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LEVELS, ("with levels", "target", "same-task"), Level(1.0, 0.6))
    monkeypatch.setitem(LEVELS, ("with levels", "target", "fixed"), Level(1.4, 1.0))


def task(count: int = 20, **changes):
    rng = np.random.default_rng(0)
    scores = list(USUAL + rng.normal(0, 0.1, (count, 8)))
    made = make_task_reference("Digits", WithLevels(), [network(k) for k in range(count)], scores)
    return dataclasses.replace(made, **changes)


def test_a_network_is_recognised_by_its_answers_and_not_in_another_order() -> None:
    made = task()
    assert likeness_of(network(77), made) > 0.8
    assert likeness_of(network(77, scale=30.0), made) > ALIKE  # as sure as only few are
    assert likeness_of(network(77, order=[*range(1, 8), 0]), made) < ALIKE
    assert likeness_of(network(77, spread=30.0), made) < ALIKE
    smaller = Classifier(nn.Sequential(nn.Flatten(), nn.Linear(9, 8)), (1, 3, 3))
    assert likeness_of(smaller, made) == -1.0


def test_answers_are_the_same_whatever_the_head() -> None:
    plain = network(3)
    head = nn.Sequential(plain.model, nn.Softmax(1))
    assert answers(plain).shape == (PICTURES, 8)
    np.testing.assert_allclose(
        answers(Classifier(head, (1, 4, 4), output="softmax")), answers(plain), atol=1e-6
    )


def test_a_network_that_always_answers_the_same_is_like_none() -> None:
    linear = nn.Linear(16, 8)
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    constant = answers(Classifier(nn.Sequential(nn.Flatten(), linear), (1, 4, 4)))
    assert likeness(constant, answers(network(0))) == 0.0
    assert likeness(mean_answers([constant, answers(network(0))]), answers(network(0))) > 0.99


def test_what_the_others_would_not_recognise_is_left_out() -> None:
    classifiers = [*(network(k) for k in range(11)), network(11, order=[*range(1, 8), 0])]
    made = make_task_reference("Digits", WithLevels(), classifiers, [USUAL] * 11 + [USUAL + 9])
    assert made.size == 11
    with pytest.raises(ValueError, match="at least 10 clean networks that answer alike, got 9"):
        make_task_reference("Digits", WithLevels(), classifiers[2:], [USUAL] * 10)
    wider = Classifier(nn.Sequential(nn.Flatten(), nn.Linear(25, 8)), (1, 5, 5))
    with pytest.raises(ValueError, match="one input shape and number of classes"):
        make_task_reference("Digits", WithLevels(), [*classifiers, wider], [USUAL] * 13)
    with pytest.raises(ValueError, match="min-norm: it has no levels for a task"):
        make_task_reference("Digits", MinNorm(), classifiers, [USUAL] * 12)


def test_it_survives_its_own_json() -> None:
    made = task()
    assert parse_reference(render_reference(made), "here") == made


@pytest.mark.parametrize(
    "changes",
    [{"answers": ()}, {"answers": ((0.0,) * 8,)}, {"kind": "same-recipe"}],
    ids=["none", "too few", "of another kind"],
)
def test_answers_belong_to_a_task_and_to_no_other_kind(changes) -> None:
    with pytest.raises(ValueError, match="expected answers"):
        task(**changes)


@pytest.fixture
def shipped(monkeypatch: pytest.MonkeyPatch):
    made = task()
    others = make_any_network_reference("others", WithLevels(), [USUAL] * 20)
    monkeypatch.setattr("triggerfish.verdict.judge.shipped_references", lambda: (others, made))
    return made


def verdict_of(values: np.ndarray, judge: Judge | None = None, **options):
    detector = options.pop("detector", WithLevels())
    return (judge or Judge())(class_scores(values), network(99, **options), detector)


def test_a_class_is_flagged_for_what_is_not_ordinary_for_it(shipped) -> None:
    high = USUAL.copy()
    high[0] = 1.3  # less than what the last class always has
    verdict = verdict_of(high)
    assert (verdict.name, verdict.flagged, verdict.same_task) == ("backdoored", (0,), "Digits")
    assert (verdict.reference, verdict.p_value) == (None, None)
    assert verdict.threshold == 1.0
    assert "clean networks of Digits" in verdict.notes[0]
    assert "0 of them score as high (uncalibrated p 0.048)" in verdict.notes[0]
    assert verdict_of(USUAL).name == "clean"


def test_a_score_between_doubt_and_threshold_is_unclear(shipped) -> None:
    unclear = USUAL.copy()
    unclear[0] = 0.8
    verdict = verdict_of(unclear)
    assert (verdict.name, verdict.suspicion_threshold) == ("inconclusive", 0.6)
    assert [reason.code for reason in verdict.reasons] == ["unclear-score"]
    assert "class 0 scores 0." in verdict.reasons[0].text


def test_peers_do_not_judge_networks_of_another_task_or_what_a_user_sets(shipped) -> None:
    assert verdict_of(USUAL, order=[*range(1, 8), 0]).same_task is None
    assert verdict_of(USUAL, detector=MinNorm()).same_task is None
    assert verdict_of(USUAL, Judge(threshold=9.0)).same_task is None
    assert verdict_of(USUAL, Judge(outlier_test="grubbs")).same_task is None
    # More effort means the same score, another aim does not.
    assert verdict_of(USUAL, detector=WithLevels(steps=7)).same_task == "Digits"
    assert verdict_of(USUAL, detector=WithLevels(target_log_odds=1.0)).same_task is None


def test_peers_of_the_users_own_are_asked_for_by_name() -> None:
    judge = Judge(reference=task())
    assert verdict_of(USUAL, judge).same_task == "Digits"
    other = verdict_of(USUAL, judge, order=[*range(1, 8), 0])
    assert (other.name, other.same_task) == ("inconclusive", None)
    assert other.reasons[0].code == "reference-mismatch"


def test_a_class_that_networks_differ_about_counts_for_less() -> None:
    rng = np.random.default_rng(0)
    scores = USUAL + rng.normal(0, [0.1] * 7 + [0.4], (20, 8))
    made = make_task_reference(
        "Digits", WithLevels(), [network(k) for k in range(20)], list(scores)
    )
    assert made.spread()[:7].max() < 1.6
    assert made.spread()[7] > 2.5
    above = made.centered(USUAL + 1.0)
    assert above[7] < 0.5 < 0.6 < above[0]
    assert made.clean_maxima()[-1] < 0.6


def likeness_of(classifier, reference) -> float:
    return Judge().known(classifier).likeness(reference)


def test_shipped_tasks_are_told_apart_by_a_network_that_was_trained_here() -> None:
    shipped = [r for r in shipped_references() if r.kind == "same-task"]
    tasks = {r.name: r for r in shipped if r.detector == "ensemble"}
    pairs = {r.name: r for r in shipped if r.detector == "universal-pairs"}
    assert {name: r.answers for name, r in pairs.items()}.keys() == tasks.keys()
    clean, attacked = (trained.classifier(backdoored=b) for b in (False, True))
    digits, garments = tasks["MNIST"], tasks["Fashion-MNIST"]
    assert likeness_of(clean, digits) > ALIKE > likeness_of(clean, garments)
    assert likeness_of(attacked, digits) > likeness_of(attacked, garments) + 0.2
    assert likeness_of(clean, tasks["CIFAR-10"]) == -1.0
    assert all(made.is_comparable(Ensemble(fast=True)) for made in tasks.values())
    assert not any(made.is_comparable(Ensemble(universal_steps=9)) for made in tasks.values())
