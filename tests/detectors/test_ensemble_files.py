"""What the default scan finds can be written down: its parts do not hold the evidence twice."""

from trained import classifier

from triggerfish.codec.tensors import Shelf
from triggerfish.detectors import Ensemble
from triggerfish.reports.json_report import as_dict
from triggerfish.scanning import ScanConfig, scan_classifier

QUICK = Ensemble(steps=2, restarts=1, universal_steps=4, pictures=64)


def test_evidence_is_kept_once():
    result = scan_classifier(classifier(backdoored=True), ScanConfig(QUICK))
    shelf = Shelf()
    as_dict(result, shelf)
    count = len(result.scores.perturbations)
    names = {f"scores.perturbations.{number}.delta" for number in range(count)}
    assert set(shelf.tensors) == names | {"scores.pictures"}
    assert result.scores.parts == ()  # no task is known: one search decides


def test_the_parts_of_the_detector_alone_hold_no_evidence():
    scores = QUICK(classifier(backdoored=True))
    assert scores.perturbations
    assert [(part.perturbations, part.pictures) for part in scores.parts] == [((), None)] * 2
