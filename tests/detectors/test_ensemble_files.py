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
    changes = {f"scores.changes.{number}.delta" for number in range(len(result.scores.changes))}
    assert set(shelf.tensors) == changes | {"scores.pictures"}
    assert [part.changes for part in result.scores.parts] == [(), ()]
