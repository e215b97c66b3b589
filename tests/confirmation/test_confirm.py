from dataclasses import replace

import pytest
import torch
from planted import SHAPE, TARGET, classifier

from triggerfish.confirmation import ConfirmConfig, confirm
from triggerfish.levels import CONFIRMATION, CONFIRMED_LEAD, grade_of, level_of
from triggerfish.results import BasisEvidence


def evidence(success_rate: float, *controls: float) -> BasisEvidence:
    return BasisEvidence("pixel", 1.0, success_rate, 0.5, 0.5, 0.5, 0.9, controls)


def test_the_lead_is_over_the_second_best_of_the_others():
    assert evidence(0.9, 0.1, 0.8, 0.3).lead == pytest.approx(0.6)
    assert evidence(0.9, 0.2).lead == pytest.approx(0.7)
    assert evidence(0.1, 0.2, 0.3).lead == 0
    assert evidence(0.0).lead == 0


def test_grades_follow_the_lead():
    level = level_of(CONFIRMATION, "target", "same-size")
    assert level is not None
    assert level.suspect_at is not None
    assert grade_of(CONFIRMED_LEAD + 1e-9) == "confirmed"
    assert grade_of((CONFIRMED_LEAD + level.suspect_at) / 2) == "unclear"
    assert grade_of(level.suspect_at) == "refuted"


def test_a_planted_target_is_confirmed():
    found = confirm(classifier(backdoored=True), TARGET)
    assert found.grade == "confirmed"
    (pixel,) = found.evidence  # waves cannot change that
    assert pixel.success_rate > 0.4 > 4 * pixel.control
    assert pixel.size < 1  # less than one pixel from black to white
    assert len(found.perturbations) == 3
    assert {perturbation.delta.shape for perturbation in found.perturbations} == {SHAPE}


@pytest.mark.parametrize("target", [TARGET, 8])
def test_a_class_of_its_clean_twin_is_not(target):
    found = confirm(classifier(backdoored=False), target)
    assert found.grade == "refuted"
    assert [item.basis for item in found.evidence] == ["pixel", "frequency"]


def test_a_class_that_there_is_not():
    with pytest.raises(ValueError, match="from 0 to 8, got 9"):
        confirm(classifier(backdoored=False), 9)
    with pytest.raises(ValueError, match="others"):
        ConfirmConfig(others=0)


def test_the_seed_decides():
    quick = ConfirmConfig(pictures=60, fresh=40, others=2)
    short = replace(quick, search=replace(quick.search, steps=6))
    model = classifier(backdoored=True)
    first, same, other = (confirm(model, 3, short, seed) for seed in (0, 0, 1))
    assert first.evidence == same.evidence
    assert not torch.equal(first.perturbations[0].delta, other.perturbations[0].delta)
