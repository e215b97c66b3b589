"""What is known before a search is said before it."""

import math

import pytest
import torch
from torch import nn

from triggerfish.detectors import Ensemble
from triggerfish.model.classifier import Classifier
from triggerfish.results import Status
from triggerfish.scanning import ScanConfig, scan_classifier

QUICK = {"universal_steps": 2, "pictures": 40, "steps": 2}


def network(classes: int, scale: float = 1.0) -> Classifier:
    torch.manual_seed(0)
    linear = nn.Linear(64, classes)
    with torch.no_grad():
        linear.weight *= scale
    return Classifier(nn.Sequential(nn.Flatten(), linear), (1, 8, 8), output="logits")


@pytest.fixture
def no_search(monkeypatch):
    def searched(*_: object, **__: object) -> None:
        raise AssertionError("expected no search, got one")

    monkeypatch.setattr("triggerfish.detectors.universal.search_universal", searched)


@pytest.mark.parametrize(
    ("classes", "scale", "code"),
    [(2, 20.0, "few-classes"), (5, 2000.0, "sharp-output"), (5, 0.0, "constant-output")],
)
@pytest.mark.usefixtures("no_search")
def test_nothing_is_searched_where_no_score_could_tell(classes: int, scale: float, code: str):
    result = scan_classifier(network(classes, scale), ScanConfig(Ensemble(**QUICK)))
    assert result.verdict.name == "inconclusive"
    assert code in [reason.code for reason in result.verdict.reasons]
    assert all(math.isnan(score) for score in result.verdict.anomaly_index)
    assert result.scores.status == (Status.SCREENED,) * classes
    assert any("--thorough" in note for note in result.verdict.notes)


def test_a_thorough_scan_searches_all_the_same() -> None:
    config = ScanConfig(Ensemble(thorough=True, **QUICK))
    result = scan_classifier(network(2, 20.0), config)
    assert result.verdict.name == "inconclusive"
    assert Status.SCREENED not in result.scores.status
