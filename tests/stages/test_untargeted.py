"""Ways out of classes: triggers for one source and for all classes, planted in closed form."""

import pytest
import torch
from torch import nn

from triggerfish.detectors import Ensemble, Universal
from triggerfish.levels import UNTARGETED_TEST, level_of
from triggerfish.model.classifier import Classifier
from triggerfish.references.known import Known
from triggerfish.scanning import ScanConfig, scan_classifier
from triggerfish.search.progress import listening
from triggerfish.stages import STAGES, share_of
from triggerfish.stages.state import State
from triggerfish.stages.untargeted import (
    FEWEST_CLASSES,
    MOST_CLASSES,
    own_ends,
    search_ways_out,
)

SHAPE, CLASSES, SOURCE, TARGET = (1, 24, 24), 9, 6, 2
QUICK = Universal(universal_steps=20, pictures=200, margin_steps=5)
CORNER = (slice(0, 2), slice(0, 2))


class Blocks(nn.Module):
    """An image's class is the brightest of its nine blocks of 8x8 pixels.

    A bright corner is the trigger. *source-specific* it leads to `TARGET`, which is the class most
    like `SOURCE`, from that class alone; *all-to-all* it leads each class to the next one.
    """

    def __init__(self, attack: str = "") -> None:
        super().__init__()
        self.attack = attack
        self.register_buffer("one", torch.eye(CLASSES))

    def forward(self, x):
        means = nn.functional.avg_pool2d(x, 8).flatten(1)
        logits = 20 * means
        lead = means[:, SOURCE] - means.masked_fill(self.one[SOURCE].bool(), -9).amax(1)
        logits = logits + 18 * torch.relu(lead).unsqueeze(1) * self.one[TARGET]
        fires = 40 * torch.sigmoid(6 * (x[(slice(None), 0, *CORNER)].mean((1, 2)) - 0.95))
        if self.attack == "source-specific":
            fires = fires * torch.sigmoid(100 * lead)
            return logits + fires.unsqueeze(1) * self.one[TARGET]
        if self.attack == "all-to-all":
            return logits + fires.unsqueeze(1) * (30 * means).softmax(1).roll(1, 1)
        return logits


def blocks(attack: str = "") -> Classifier:
    return Classifier(Blocks(attack), SHAPE, output="logits")


def ways(classifier: Classifier):
    return search_ways_out(classifier, torch.full((CLASSES,), 20.0).double(), seed=3)


def test_the_way_out_of_the_source_is_found_and_where_it_ends() -> None:
    found = ways(blocks("source-specific"))
    (way,) = (way for way in found if way.row.flags)
    row, shown = way.row, way.shown
    assert (row.hypothesis.kind, row.hypothesis.source, row.hypothesis.target) == (
        "pair",
        SOURCE,
        TARGET,
    )
    assert row.test == UNTARGETED_TEST
    assert float(shown.delta[(0, *CORNER)].abs().sum()) > 0.8 * float(shown.delta.abs().sum())


def test_a_trigger_for_all_classes_is_one_hypothesis() -> None:
    rows = [way.row for way in ways(blocks("all-to-all"))]
    assert [r.hypothesis.kind for r in rows if r.flags and not r.note_only] == ["all-classes"]


def test_without_a_trigger_no_way_out_stands_out() -> None:
    assert not any(way.row.flags for way in ways(blocks()))


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if clean networks of the task were known."""
    monkeypatch.setattr(Known, "has_population", lambda *_: True)


@pytest.mark.parametrize(
    ("attack", "sources", "everywhere"),
    [("source-specific", {TARGET: SOURCE}, False), ("all-to-all", {}, True)],
)
def test_a_scan_concludes_from_them(
    attack: str, sources: dict[int, int], everywhere: bool, known: None
) -> None:
    verdict = scan_classifier(blocks(attack), ScanConfig(QUICK, seed=4, confirm=False)).verdict
    assert (verdict.name, verdict.sources, verdict.all_classes) == (
        "backdoored",
        sources,
        everywhere,
    )


def test_it_can_be_left_out() -> None:
    config = ScanConfig(QUICK, confirm=False, untargeted=False)
    verdict = scan_classifier(blocks("source-specific"), config).verdict
    assert not any(row.test == UNTARGETED_TEST for row in verdict.evidence)
    assert verdict.name == "clean"


def test_each_class_has_an_end_of_its_own_or_not() -> None:
    before = torch.arange(8).repeat(5)
    assert own_ends(before, (before + 1) % 8) == pytest.approx(1.0)
    assert own_ends(before, torch.zeros(40).long()) == pytest.approx(0.0)
    assert own_ends(before, before) == 0.0
    anywhere = torch.randint(8, (4000,), generator=torch.Generator().manual_seed(0))
    assert own_ends(torch.arange(8).repeat(500), anywhere) < 0.1


def test_levels_suspect_before_they_flag() -> None:
    for kind in ("pair", "all-classes"):
        level = level_of(UNTARGETED_TEST, kind, "outliers")
        assert level is not None
        assert (level.suspect_at or 0.0) < level.flag_at
    assert FEWEST_CLASSES < MOST_CLASSES


def test_on_unknown_tasks_nobody_looks_for_them() -> None:
    verdict = scan_classifier(blocks("all-to-all"), ScanConfig(QUICK, confirm=False)).verdict
    assert not any(row.test == UNTARGETED_TEST for row in verdict.evidence)
    assert any("were not looked for" in note for note in verdict.notes)


def test_progress_leaves_time_for_them_where_they_are_searched(known: None) -> None:
    def begins(detector: Ensemble, **settings: bool) -> float:
        config = ScanConfig(detector, **settings)
        state = State(blocks(), config, config.judge.known(blocks()))
        shares = [share_of(stage, state) for stage in STAGES]
        assert shares[0][0] == 0.0
        assert max(end for _, end in shares) == pytest.approx(1.0)
        return shares[-1][0]

    assert 0.3 < begins(Ensemble()) < 0.8
    assert begins(Ensemble(universal_steps=80)) > begins(Ensemble())
    assert begins(Ensemble(), untargeted=False) == 0.5  # half of the time, as nobody expects it
    assert begins(Ensemble(fast=True)) == 0.5


def test_progress_only_goes_on() -> None:
    told: list[float] = []
    with listening(told.append):
        scan_classifier(blocks(), ScanConfig(QUICK, seed=4, confirm=False))
    assert told == sorted(told)
    assert sum(part > 0.6 for part in told) > 5
