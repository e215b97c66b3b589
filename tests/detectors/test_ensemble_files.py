"""What the default scan finds can be written down: its parts do not hold the evidence twice."""

from trained import classifier

from triggerfish.detectors import Ensemble
from triggerfish.reports.evidence import delta_name, read_evidence, render_evidence
from triggerfish.scanning import ScanConfig, scan_classifier

QUICK = Ensemble(steps=2, restarts=1, universal_steps=4, pictures=64)


def test_evidence_is_kept_once():
    result = scan_classifier(classifier(backdoored=True), ScanConfig(QUICK))
    names = set(read_evidence(render_evidence(result) or b""))
    perturbations = {
        delta_name(perturbation.target, perturbation.basis)
        for perturbation in result.scores.perturbations
    }
    assert names == perturbations | {"pictures"}
    assert [part.perturbations for part in result.scores.parts] == [(), ()]
