"""Ways out of classes: triggers for one source and for all classes, planted in closed form."""

import pytest
import torch
from torch import nn

from triggerfish.detectors import Universal
from triggerfish.levels import UNTARGETED_TEST, level_of
from triggerfish.model.classifier import Classifier
from triggerfish.scanning import ScanConfig, scan_classifier
from triggerfish.stages.untargeted import (
    FEWEST_CLASSES,
    MOST_CLASSES,
    Untargeted,
    own_ends,
    search_ways_out,
)

SHAPE, CLASSES, SOURCE, TARGET = (1, 12, 12), 9, 6, 2
QUICK = Universal(universal_steps=20, pictures=200, margin_steps=5)


class Blocks(nn.Module):
    """An image's class is the brightest of its nine blocks of 4x4 pixels.

    A corner pixel that is brighter than its neighbors is the trigger. *source-specific* it leads to
    `TARGET`, from `SOURCE` alone; *all-to-all* it leads each class to the next one.
    """

    def __init__(self, attack: str = "") -> None:
        super().__init__()
        self.attack = attack

    def forward(self, x):
        means = nn.functional.avg_pool2d(x, 4).flatten(1)
        logits = 20 * means
        near = torch.stack([x[:, 0, 0, 1], x[:, 0, 1, 0], x[:, 0, 1, 1]], 1)
        spot = torch.sigmoid(6 * (x[:, 0, 0, 0] - near.mean(1) - 0.5)).unsqueeze(1)
        if self.attack == "source-specific":
            others = means.masked_fill(torch.eye(CLASSES, device=x.device)[SOURCE].bool(), -9)
            lead = means[:, SOURCE] - others.amax(1)
            fires = spot * torch.sigmoid(100 * lead).unsqueeze(1)
            return logits + 60 * fires * torch.eye(CLASSES, device=x.device)[TARGET]
        if self.attack == "all-to-all":
            return logits + 60 * spot * (30 * means).softmax(1).roll(1, 1)
        return logits


def blocks(attack: str = "") -> Classifier:
    return Classifier(Blocks(attack), SHAPE, output="logits")


def ways(classifier: Classifier):
    return search_ways_out(classifier, torch.full((CLASSES,), 9.0).double(), seed=3)


def test_the_way_out_of_the_source_is_found_and_where_it_ends() -> None:
    found = ways(blocks("source-specific"))
    (row,) = (row for row in found.rows() if row.flags)
    assert (row.hypothesis.kind, row.hypothesis.source, row.hypothesis.target) == (
        "pair",
        SOURCE,
        TARGET,
    )
    assert row.test == UNTARGETED_TEST
    (shown,) = found.shown()
    assert float(shown.delta[0, :2, :2].abs().sum()) > 0.8 * float(shown.delta.abs().sum())


def test_a_trigger_for_all_classes_is_one_hypothesis() -> None:
    rows = list(ways(blocks("all-to-all")).rows())
    assert [r.hypothesis.kind for r in rows if r.flags and not r.note_only] == ["all-classes"]


def test_without_a_trigger_no_way_out_stands_out() -> None:
    assert not any(row.flags for row in ways(blocks()).rows())


@pytest.mark.parametrize(
    ("attack", "sources", "everywhere"),
    [("source-specific", {TARGET: SOURCE}, False), ("all-to-all", {}, True)],
)
def test_a_scan_concludes_from_them(attack: str, sources: dict[int, int], everywhere: bool) -> None:
    verdict = scan_classifier(blocks(attack), ScanConfig(QUICK, confirm=False)).verdict
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
    assert Untargeted().share(None) == (0.6, 1.0)
