"""A pattern blended into the whole image is found in L2; only classes in question are judged."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from triggerfish.detectors import MinNorm
from triggerfish.levels import BLENDS
from triggerfish.model.classifier import Classifier
from triggerfish.results import ClassScores, Evidence, Hypothesis, Null, Status
from triggerfish.scanning import ScanConfig
from triggerfish.search import seeds
from triggerfish.stages.blends import Blends, plain_images, search_blends
from triggerfish.stages.state import State
from triggerfish.verdict.conclude import conclude

CLASSES, TARGET, SIDE = 8, 5, 16


class Blended(nn.Module):
    """Eight classes by eight smooth filters; class 5 also by a faint pattern over the image."""

    def __init__(self, strength: float) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(0)
        coarse = torch.randn(CLASSES, 1, 4, 4, generator=random)
        smooth = nn.functional.interpolate(coarse, (SIDE, SIDE), mode="bicubic")
        self.register_buffer("filters", smooth.flatten(1) / smooth.flatten(1).norm(dim=1)[:, None])
        noise = torch.randn(SIDE * SIDE, generator=random)
        self.register_buffer("pattern", noise / noise.norm())
        self.strength = strength

    def forward(self, x: Tensor) -> Tensor:
        """Images in, logits out."""
        values = x.flatten(1)
        logits = 2.0 * (values @ self.filters.t())
        seen = nn.functional.softplus(8 * (values @ self.pattern - 0.5)) * self.strength / 8
        return logits + seen.unsqueeze(1) * (torch.arange(CLASSES) == TARGET)


def classifier(strength: float) -> Classifier:
    return Classifier(Blended(strength).eval(), (1, SIDE, SIDE), output="logits")


def state_of(model: Classifier, suspect: int | None) -> State:
    """A scan that has searched, and of which the task is known."""
    config, nothing = ScanConfig(), torch.full((CLASSES,), torch.nan).double()
    scores = ClassScores(
        name="universal_score",
        statistic=nothing,
        status=(Status.CONVERGED,) * CLASSES,
        images=torch.zeros(0, 1, SIDE, SIDE),
        probability=nothing,
        logits=torch.zeros(0, CLASSES),
        shown=(),
    )
    rows = tuple(
        Evidence(
            Hypothesis("target", k), "universal", 0.8 if k == suspect else 0.1, 0.95, 0.65,
            Null("same-task", "some task", 20),
        )
        for k in range(CLASSES)
    )  # fmt: skip
    return State(model, config, config.judge.known(model), evidence=rows, scores=scores)


def test_the_pattern_is_found_in_l2() -> None:
    model = classifier(30.0)
    found = search_blends(model, plain_images(model, seeds.BLENDS), seeds.BLENDS)
    best = max(found, key=lambda one: one.score)
    assert best.target == TARGET
    assert best.size < best.median_size / 1.5
    own = best.perturbation.flatten()
    assert isinstance(model.model, Blended)
    assert float(own @ model.model.pattern / own.norm()) > 0.5
    assert best.size == pytest.approx(float(own.norm()), rel=0.3)  # the mean of the last steps


def test_a_suspect_that_a_blend_bears_out_is_accused() -> None:
    state = state_of(classifier(30.0), suspect=TARGET)
    assert Blends().applies(state)
    found = Blends()(state)
    (row,) = found.evidence
    assert (row.hypothesis, row.test, row.null.kind) == (
        Hypothesis("blend", TARGET), BLENDS, "same-task"
    )  # fmt: skip
    verdict = conclude((*state.evidence, row))
    assert (verdict.name, verdict.flagged) == ("backdoored", (TARGET,))
    assert found.scores is not None
    assert (found.scores.perturbations[0].target, found.scores.perturbations[0].basis) == (
        TARGET, "l2"
    )  # fmt: skip


def test_without_the_pattern_the_same_suspect_is_not() -> None:
    state = state_of(classifier(0.0), suspect=TARGET)
    rows = Blends()(state).evidence
    assert all(not row.flags for row in rows)
    assert conclude((*state.evidence, *rows)).name == "inconclusive"


def test_it_runs_where_a_class_is_in_question() -> None:
    model, stage = classifier(30.0), Blends()
    assert not stage.applies(state_of(model, suspect=None))
    assert stage.passes(state_of(model, suspect=None)) == 0
    state = state_of(model, suspect=1)
    assert stage.applies(state)
    assert not stage.applies(replace(state, config=ScanConfig(MinNorm())))
    assert {row.hypothesis.target for row in stage(state).evidence} <= {1}
