import dataclasses

import pytest
import torch
from torch import nn
from trained import TARGET, classifier

from triggerfish.detectors.min_norm import MinNorm
from triggerfish.model.classifier import Classifier
from triggerfish.results import Status
from triggerfish.search.screening import Screening, first_pass_cost, select_classes
from triggerfish.verdict.sanity import check_scores

COUNT, SHORTCUT = 300, 123


@pytest.fixture(scope="module")
def many_classes():
    """300 classes; one of them reacts to a single pixel much more than any other does."""
    torch.manual_seed(0)
    layer = nn.Linear(64, COUNT)
    layer.weight.data.normal_(0, 1.5)
    layer.weight.data[SHORTCUT, 5] = 60
    return Classifier(nn.Sequential(nn.Flatten(), layer), (1, 8, 8))


def test_the_first_pass_puts_the_target_first():
    cost = first_pass_cost(classifier(backdoored=True), Screening(), 9.21, 512)
    assert cost.argmin() == TARGET


def test_few_classes_are_all_measured():
    selection = select_classes(classifier(backdoored=False), Screening(), 9.21, 512, 0)
    assert selection.measured.tolist() == list(range(10))
    assert selection.typical.all()


def test_many_classes_are_screened_and_the_shortcut_survives(many_classes):
    scores = MinNorm(steps=10)(many_classes)
    assert len(scores.shown) == 32 + 64
    assert scores.images.shape == (96, 1, 8, 8)
    assert scores.logits.shape == (96, COUNT)
    assert scores.statistic.nan_to_num(-9).argmax() == SHORTCUT
    assert sum(s is Status.SCREENED for s in scores.status) == COUNT - 96
    assert not [f for f in check_scores(scores, 64) if f.code == "screened"]


def test_screening_changes_little_for_the_classes_it_keeps(many_classes):
    config = MinNorm(steps=10)
    everything = dataclasses.replace(config, screen_above=COUNT)
    full, screened = everything(many_classes), config(many_classes)
    kept = list(screened.shown)
    torch.testing.assert_close(
        screened.statistic[kept], full.statistic[kept], atol=0.3, rtol=0, equal_nan=True
    )


def test_the_sample_depends_on_the_seed_alone(many_classes):
    choose = [select_classes(many_classes, Screening(), 9.21, 512, s).measured for s in (0, 0, 1)]
    assert torch.equal(choose[0], choose[1])
    assert not torch.equal(choose[0], choose[2])


@pytest.mark.parametrize("settings", [{"above": 10}, {"sample": 2}, {"steps": 0}])
def test_settings_are_checked(settings):
    with pytest.raises(ValueError, match="expected"):
        Screening(**settings)
