"""Which classes are searched, and that a small memory budget changes no answer."""

from dataclasses import replace

import pytest
import torch
from scored import model
from torch import nn
from trained import TARGET, classifier

from triggerfish.detectors import Ensemble, Universal
from triggerfish.model.classifier import Classifier
from triggerfish.results import Status
from triggerfish.verdict.judge import Judge

QUICK = Universal(universal_steps=20, pictures=60, margin_starts=1, margin_steps=5)


def linear(classes: int, shape: tuple[int, int, int]) -> Classifier:
    torch.manual_seed(0)
    pixels = shape[0] * shape[1] * shape[2]
    return Classifier(nn.Sequential(nn.Flatten(), nn.Linear(pixels, classes)), shape)


@pytest.mark.parametrize(
    ("classes", "shape", "searched"),
    [(10, (3, 32, 32), 10), (200, (1, 8, 8), 200), (201, (1, 8, 8), 96), (40, (3, 224, 224), 12)],
)
def test_large_images_and_many_classes_are_searched_in_part(classes, shape, searched) -> None:
    screening = QUICK.screening_of(linear(classes, shape))
    chosen = classes <= screening.above
    assert (classes if chosen else screening.candidates + screening.sample) == searched


def test_min_norm_is_left_out_where_not_all_classes_are_searched() -> None:
    few = Ensemble(fast=True, steps=2, universal_steps=2, pictures=40)
    model = linear(210, (1, 6, 6))
    scores = few(model)
    assert [part.name for part in scores.parts] == ["universal_score"]
    assert scores.status.count(Status.SCREENED) == 210 - 96
    weighed = Judge().weigh(scores, few, Judge().known(model))
    assert {row.test for row in weighed.evidence if row.hypothesis.kind == "target"} == {
        "universal"
    }


def test_parts_of_one_row_give_what_the_whole_gives() -> None:
    quick = replace(QUICK, pictures_per_step=4)
    whole, parts = (replace(quick, memory_mib=m)(classifier(backdoored=True)) for m in (512, 0.5))
    assert int(whole.statistic.argmax()) == int(parts.statistic.argmax()) == TARGET
    torch.testing.assert_close(whole.statistic, parts.statistic, atol=0.2, rtol=0.1)


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="more pictures than a step draws"):
        Universal(pictures=5)
    with pytest.raises(ValueError, match="margin_starts"):
        Universal(margin_starts=0)
    assert QUICK(model(), seed=1).statistic.shape == (8,)


def test_pictures_shown_are_not_yet_the_most_suspicious_class():
    model = classifier(backdoored=True)
    scores = Universal(universal_steps=4, pictures=40, margin_steps=2)(model)
    top = int(scores.statistic.nan_to_num(-1e9).argmax())
    assert not (model.logits(scores.pictures).argmax(1) == top).any()
