import pytest
import torch
from torch import nn
from trained import TARGET, classifier

from benchmarks.published_sequential import search
from triggerfish.detectors.l1_weight import L1Weight
from triggerfish.model.classifier import Classifier
from triggerfish.results import Status
from triggerfish.statistics.outliers import TwoSidedMAD


@pytest.mark.parametrize(
    ("objective", "penalty"),
    [("logit", "abs"), ("log-probability", "abs"), ("probability", "abs"), ("logit", "sum")],
)
def test_batch_equals_the_plain_loop(objective, penalty):
    # float64: at the kink of |x| the last bit of a float32 sum can move a pixel.
    settings = {"objective": objective, "penalty": penalty, "halvings": 3, "steps": 30}
    model = classifier(backdoored=True, dtype=torch.float64)
    scores = L1Weight(**settings)(model)
    black = torch.zeros(1, 1, 28, 28, dtype=torch.float64)
    for target in (0, 4, TARGET):
        plain = search(model.logits, black, target, **settings)
        assert scores.statistic.nan_to_num(0.0)[target].item() == plain.weight
        if scores.status[target] is Status.CONVERGED:
            torch.testing.assert_close(scores.images[target], plain.image[0])
            assert scores.probability[target].item() == pytest.approx(plain.probability)


def constant_slopes(slopes: list[float], dtype=torch.float64) -> Classifier:
    """Class k's logit is slopes[k] times the sum of the k-th row of pixels."""
    weight = torch.zeros(len(slopes), len(slopes) ** 2, dtype=dtype)
    for k, slope in enumerate(slopes):
        weight[k, k * len(slopes) : (k + 1) * len(slopes)] = slope
    layer = nn.Linear(*reversed(weight.shape), bias=False)
    layer.weight.data = weight
    return Classifier(
        nn.Sequential(nn.Flatten(), layer), (1, len(slopes), len(slopes)), dtype=dtype
    )


def test_largest_weight_is_the_coefficient_and_every_status_occurs():
    # A pixel of slope g stays on as long as w < g: the largest admissible weight is g itself.
    model = constant_slopes([6.0, 20.0, 0.5, 2.0**20])
    scores = L1Weight(penalty="sum")(model)
    assert scores.status == (
        Status.CONVERGED, Status.CONVERGED, Status.UNREACHABLE, Status.CAP_REACHED
    )  # fmt: skip
    assert scores.statistic[:2].tolist() == pytest.approx([6.0, 20.0], rel=1e-6)
    assert scores.statistic[2:].isnan().all()


def test_deciding_early_changes_no_verdict_and_brackets_the_full_answer():
    model = classifier(backdoored=True)
    full = L1Weight(halvings=12, steps=30)(model)
    early = L1Weight(halvings=12, steps=30, decide_at=3.5)(model)
    low, early_low = full.statistic.nan_to_num(0.0), early.statistic.nan_to_num(0.0)
    high, early_high = (s.details["upper_bound"].nan_to_num(0.0) for s in (full, early))
    assert TwoSidedMAD()(low.numpy()).flagged == TwoSidedMAD()(early_low.numpy()).flagged
    assert (early_low <= low).all()
    assert (early_high >= high).all()
    assert (early_high - early_low).sum() > (high - low).sum()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"target_prob": 1.0}, "target_prob"),
        ({"steps": 0}, "steps"),
        ({"objective": "margin"}, "objective"),
        ({"max_l1_weight": 0.5}, "max_l1_weight"),
    ],
)
def test_settings_are_checked(settings, message):
    with pytest.raises(ValueError, match=message):
        L1Weight(**settings)
