import dataclasses
import math

import pytest
import torch
from torch import Tensor, nn
from trained import classifier

from triggerfish.detectors.pairwise_norm import (
    PairwiseNorm,
    synthesize_exemplars,
)
from triggerfish.errors import UnsupportedModelError
from triggerfish.model.classifier import Classifier
from triggerfish.results import Status
from triggerfish.search.progress import listening

QUICK = PairwiseNorm(steps=12, rounds=1, baselines=(0.0,), clouds=(0.4,))
CLASSES, SOURCE, TARGET = 8, 4, 2


class Stripes(nn.Module):
    """Class k is ink in row k of the image; a corner pixel turns the sources into their targets.

    ``pairs`` (source, target) are the attacked ones. The corner alone does nothing, and neither
    does it beside a row that is no source: a unit opens only for both together.
    """

    def __init__(self, pairs: tuple[tuple[int, int], ...]) -> None:
        super().__init__()
        self.pairs = pairs

    def forward(self, x: Tensor) -> Tensor:
        ink = x[:, 0, :CLASSES].sum(2)
        corner = x[:, 0, CLASSES, 0]
        logits = 2.0 * ink
        for source, target in self.pairs:
            most = ink[:, source] - ink.mean(1)
            both = torch.relu(corner + 0.5 * most.clamp(0.0, 2.0) - 0.95)
            logits = logits + 20.0 * both.unsqueeze(1) * nn.functional.one_hot(
                torch.tensor(target), CLASSES
            )
        return logits


def stripes(*pairs: tuple[int, int]) -> Classifier:
    return Classifier(Stripes(pairs), (1, CLASSES + 1, 8), dtype=torch.float64, output="logits")


def test_the_planted_pair_stands_out_and_no_other():
    scores = PairwiseNorm()(stripes((SOURCE, TARGET)))
    assert scores.statistic.argmax() == TARGET
    assert scores.statistic[TARGET] > 0.9
    others = [k for k in range(CLASSES) if k != TARGET]
    assert scores.statistic[others].max() < 0.3
    assert scores.details["source"][TARGET] == SOURCE
    assert scores.pairs.strongest([TARGET]) == ((SOURCE, TARGET),)


def test_all_to_all_shows_in_every_class_and_the_clean_twin_in_none():
    cycle = tuple((k, (k + 1) % CLASSES) for k in range(CLASSES))
    attacked = PairwiseNorm()(stripes(*cycle))
    assert attacked.pairs.strongest(range(CLASSES)) == tuple(sorted(cycle, key=lambda p: p[1]))
    assert attacked.statistic.min() > 0.9
    assert PairwiseNorm()(stripes()).statistic.max() < 0.3


def test_what_a_pair_costs_by_hand():
    # Logits are 2 a pixel of ink. The black exemplar of s has log-odds 2 a - log 7 in its row's ink
    # a; ink d goes into row t, none comes out of row s, until t is as probable as all the others:
    # 2 d = log(exp(2 a) + 6).
    c = 6.0
    config = PairwiseNorm(baselines=(0.0,), clouds=(), exemplar_log_odds=c)
    found = config(stripes()).pairs.norm
    ink = (c + math.log(7)) / 2
    expected = math.log(math.exp(2 * ink) + 6) / 2
    assert found[~torch.eye(CLASSES, dtype=torch.bool)].numpy() == pytest.approx(expected, rel=0.01)


def test_classes_permuted_permutes_the_matrix():
    model = stripes((SOURCE, TARGET))
    order = torch.randperm(CLASSES, generator=torch.Generator().manual_seed(3))
    permuted = Classifier(
        lambda x: model.logits(x)[:, order], model.input_shape, output="logits", dtype=model.dtype
    )
    first, second = QUICK(model), QUICK(permuted)
    torch.testing.assert_close(second.statistic, first.statistic[order])
    torch.testing.assert_close(
        second.pairs.score, first.pairs.score[order][:, order], equal_nan=True
    )


def test_a_constant_added_to_all_logits_changes_nothing():
    model = stripes((SOURCE, TARGET))
    shifted = Classifier(
        lambda x: model.logits(x) + 7.0, model.input_shape, output="logits", dtype=model.dtype
    )
    torch.testing.assert_close(QUICK(shifted).statistic, QUICK(model).statistic)


def test_batch_size_changes_no_result():
    model = stripes((SOURCE, TARGET))
    together = QUICK(model)
    apart = dataclasses.replace(QUICK, memory_mib=0.05)(model)
    torch.testing.assert_close(together.pairs.norm, apart.pairs.norm, equal_nan=True)
    torch.testing.assert_close(together.images, apart.images)


def test_exemplars_are_what_they_claim():
    model = classifier(backdoored=False)
    for k, images in enumerate(synthesize_exemplars(model, QUICK)):
        assert images.shape == (2, 1, 28, 28)
        assert ((images >= 0) & (images <= 1)).all()
        assert (model.logits(images).argmax(1) == k).all()


def test_a_class_out_of_reach_is_a_status_and_no_number():
    def one_class_missing(x: Tensor) -> Tensor:
        logits = stripes().logits(x)
        return torch.cat([logits[:, :-1], logits[:, -1:].clamp(max=0.0) - 5.0], dim=1)

    model = Classifier(one_class_missing, (1, 9, 8), output="logits", dtype=torch.float64)
    scores = QUICK(model)
    assert scores.status == (Status.CONVERGED,) * 7 + (Status.UNREACHABLE,)
    assert scores.statistic[-1].isnan()
    assert scores.pairs.score[-1].isnan().all()
    assert scores.pairs.norm[:, -1].isnan().all()
    assert scores.pairs.norm.diagonal().isnan().all()


def test_progress_grows_to_the_end():
    heard = []
    with listening(heard.append):
        QUICK(stripes())
    assert heard == sorted(heard)
    assert len(heard) == CLASSES + 1
    assert heard[-1] == 1


def test_too_many_classes_are_refused():
    model = Classifier(lambda x: x.flatten(1), (1, 9, 9), output="logits")
    with pytest.raises(UnsupportedModelError, match="at most 64 classes"):
        PairwiseNorm()(model)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"baselines": ()}, "at least one baseline"),
        ({"clouds": (0.0,)}, "brightness"),
        ({"memory_mib": 0.0}, "memory"),
        ({"max_classes": 1}, "max_classes"),
        ({"target_log_odds": -10.0}, "exemplar_log_odds"),
    ],
)
def test_settings_are_checked(settings, message):
    with pytest.raises(ValueError, match=message):
        PairwiseNorm(**settings)
