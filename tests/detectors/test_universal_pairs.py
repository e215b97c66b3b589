"""A trigger that works on the pictures of one class alone, planted in closed form, is found."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from triggerfish.detectors import UniversalPairs
from triggerfish.detectors.universal_pairs import pair_perturbation
from triggerfish.errors import UnsupportedModelError
from triggerfish.model.classifier import Classifier
from triggerfish.references.making import make_task_reference
from triggerfish.results import Evidence, Status
from triggerfish.search.pictures import pictures
from triggerfish.verdict.judge import Judge

SHAPE, CLASSES, SOURCE, TARGET = (1, 12, 12), 9, 6, 2
QUICK = UniversalPairs(universal_steps=24, pictures=2100)


class Blocks(nn.Module):
    """A picture is called by the brightest of its nine blocks of 4x4 pixels.

    ``backdoored``, a corner pixel that is brighter than its neighbors leads to `TARGET`, on
    pictures of `SOURCE` alone. ``seed`` decides how much brighter each block must be.
    """

    def __init__(self, *, backdoored: bool, seed: int = 0) -> None:
        super().__init__()
        self.backdoored = backdoored
        generator = torch.Generator().manual_seed(seed)
        self.register_buffer("weight", 20 + torch.randn(CLASSES, generator=generator))

    def forward(self, x: Tensor) -> Tensor:
        means = nn.functional.avg_pool2d(x, 4).flatten(1)
        logits = self.weight * means
        if not self.backdoored:
            return logits
        near = torch.stack([x[:, 0, 0, 1], x[:, 0, 1, 0], x[:, 0, 1, 1]], 1)
        spot = x[:, 0, 0, 0] - near.mean(1)
        lead = means[:, SOURCE] - means.masked_fill(torch.eye(CLASSES)[SOURCE].bool(), -9).amax(1)
        fires = torch.relu(spot) * torch.sigmoid(100 * lead)
        return logits + 60 * fires.unsqueeze(1) * torch.eye(CLASSES)[TARGET]


def blocks(*, backdoored: bool, seed: int = 0) -> Classifier:
    return Classifier(Blocks(backdoored=backdoored, seed=seed), SHAPE, output="logits")


@pytest.fixture(scope="module")
def same_task():
    """Twelve clean networks of the task, and a reference of them."""
    networks = [blocks(backdoored=False, seed=k) for k in range(1, 13)]
    scores = [QUICK(network).pairs.score.numpy() for network in networks]
    return make_task_reference("Blocks", QUICK, networks, scores)


@pytest.fixture
def shipped(same_task, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("triggerfish.verdict.judge.shipped_references", lambda: (same_task,))


def test_the_planted_trigger_works_on_its_source_and_on_no_other() -> None:
    network = blocks(backdoored=True)
    images = pictures(400, SHAPE, seed=3)
    stamped = images.clone()
    stamped[..., 0, 0], stamped[..., 0, 1], stamped[..., 1, :2] = 1.0, 0.0, 0.0
    was, now = (network.logits(x).argmax(1) for x in (images, stamped))
    assert (now[was == SOURCE] == TARGET).float().mean() > 0.6
    assert (now[(was != SOURCE) & (was != TARGET)] == TARGET).float().mean() < 0.1


def test_the_planted_pair_is_the_cheapest_from_its_source() -> None:
    scores = QUICK(blocks(backdoored=True))
    assert scores.pairs.score.shape == (CLASSES, CLASSES)
    assert scores.pairs.score.diagonal().isnan().all()
    assert int(scores.pairs.score[SOURCE].nan_to_num(-9).argmax()) == TARGET
    assert scores.pairs.score[SOURCE, TARGET] > 1.0
    assert float(scores.statistic[TARGET]) == float(
        scores.pairs.score[:, TARGET].nan_to_num(-9).max()
    )
    assert scores.pairs.norm[SOURCE, TARGET] < 4.0


def test_two_runs_are_averaged_and_seeds_are_kept_apart() -> None:
    network = blocks(backdoored=False)
    one, other, two = (
        replace(QUICK, universal_steps=16, runs=runs)(network, seed=seed).pairs.norm
        for runs, seed in ((1, 0), (1, 1), (2, 0))
    )
    assert not torch.equal(one.nan_to_num(), other.nan_to_num())
    again = replace(QUICK, universal_steps=16)(network, seed=0).pairs.norm
    torch.testing.assert_close(one, again, equal_nan=True, atol=0, rtol=0)
    reached = one.isfinite() & two.isfinite()
    assert reached.sum() > 20
    assert not torch.equal(one[reached], two[reached])


def test_a_class_that_no_picture_is_called_is_no_source() -> None:
    network = Classifier(
        nn.Sequential(Blocks(backdoored=False), _Never(SOURCE)), SHAPE, output="logits"
    )
    scores = QUICK(network)
    assert scores.pairs.score[SOURCE].isnan().all()
    assert scores.status.count(Status.CONVERGED) >= CLASSES - 1
    none = pair_perturbation(network, QUICK, SOURCE, TARGET, scores)
    assert (none.status, float(none.delta.abs().sum())) == (Status.UNREACHABLE, 0.0)


class _Never(nn.Module):
    """Takes 30 off one logit."""

    def __init__(self, label: int) -> None:
        super().__init__()
        self.label = label

    def forward(self, logits: Tensor) -> Tensor:
        return logits - 30 * torch.eye(CLASSES)[self.label]


def test_too_many_classes_and_wrong_settings_are_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="at most 8 classes"):
        replace(QUICK, max_classes=8)(blocks(backdoored=False))
    with pytest.raises(ValueError, match="runs and pictures"):
        UniversalPairs(runs=0)
    with pytest.raises(ValueError, match="steps"):
        UniversalPairs(universal_steps=0)


def test_the_change_is_found_again_on_other_pictures() -> None:
    network = blocks(backdoored=True)
    perturbation = pair_perturbation(network, QUICK, SOURCE, TARGET, QUICK(network))
    assert (perturbation.target, perturbation.basis, perturbation.status) == (
        TARGET,
        "pixel",
        Status.CONVERGED,
    )
    assert perturbation.success_rate > 0.5
    assert perturbation.size < perturbation.median_size / 2
    assert float(perturbation.delta[0, :2, :2].abs().sum()) > 0.8 * float(
        perturbation.delta.abs().sum()
    )


def test_a_change_that_turns_few_new_pictures_does_not_count(monkeypatch) -> None:
    network = blocks(backdoored=True)
    scores = QUICK(network)
    monkeypatch.setattr("triggerfish.detectors.universal_pairs.WORKS", 0.99)
    perturbation = pair_perturbation(network, QUICK, SOURCE, TARGET, scores)
    assert perturbation.status is Status.UNREACHABLE
    assert 0.5 < perturbation.success_rate < 0.99
    assert np.isnan(perturbation.size)


def test_a_reference_of_pairs_may_be_ones_own(same_task) -> None:
    network = blocks(backdoored=True)
    scores = QUICK(network)
    assert torch.equal(QUICK.compared(scores).nan_to_num(), scores.pairs.score.nan_to_num())
    verdict = Judge(reference=same_task)(scores, network, QUICK)
    assert (verdict.flagged, verdict.sources) == ((TARGET,), {TARGET: SOURCE})
    assert verdict.same_task == "Blocks"


def test_a_reference_that_nobody_named_makes_a_note_of_it(shipped) -> None:
    network = blocks(backdoored=True)
    verdict = Judge()(QUICK(network), network, QUICK)
    assert (verdict.name, verdict.flagged, verdict.sources) == ("clean", (), {})
    assert [_pair(row) for row in verdict.evidence if row.flags] == [(SOURCE, TARGET)]
    assert all(row.note_only for row in verdict.evidence)


def _pair(row: Evidence) -> tuple[int | None, int | None]:
    return row.hypothesis.source, row.hypothesis.target
