from dataclasses import replace

import pytest
import torch
from planted import TARGET, classifier
from verdicts import altered

from triggerfish.detectors import Universal
from triggerfish.errors import NothingToRepairError, UnsupportedModelError
from triggerfish.repairs import Unlearning
from triggerfish.repairs.repair import repair
from triggerfish.scanning import ScanConfig, scan_classifier

QUICK = ScanConfig(Universal(universal_steps=20, pictures=150, margin_steps=5))
SHORT = Unlearning(rounds=3, batch=32, pictures=600, pushed=200)


def test_what_the_scan_names_is_gone_afterwards():
    outcome = repair(classifier(backdoored=True), method=SHORT, config=QUICK)
    assert outcome.targets == outcome.before.verdict.flagged == (TARGET,)
    assert TARGET not in outcome.after.verdict.flagged
    assert outcome.success_after < 0.2 < 0.4 < outcome.success_before
    assert 0.75 < outcome.agreement < 1
    assert outcome.accepted, outcome.problems


def test_a_class_that_is_no_target_is_left_alone_and_never_accepted():
    original = classifier(backdoored=False)
    outcome = repair(original, targets=(3,), method=SHORT, config=QUICK)
    assert outcome.problems[0].startswith("class 3 failed its confirmation test (lead 0.")
    assert not outcome.accepted
    assert outcome.agreement == 1
    for name, value in original.model.state_dict().items():
        assert torch.equal(outcome.model.state_dict()[name], value)


def test_a_trigger_for_one_class_alone_is_not_repaired():
    original = classifier(backdoored=True)
    found = scan_classifier(original, QUICK)
    before = replace(found, verdict=altered(found.verdict, sources={TARGET: 2}))
    with pytest.raises(NothingToRepairError, match="on images of class 2 alone"):
        repair(original, before=before, config=QUICK)


def test_what_cannot_be_repaired():
    with pytest.raises(UnsupportedModelError, match="a function has no weights"):
        repair(type(classifier(backdoored=False))(lambda x: x.flatten(1)[:, :4], (1, 4, 4)))
    original = classifier(backdoored=False)
    with pytest.raises(ValueError, match="from 0 to 8, got 9"):
        repair(original, targets=(9,), config=QUICK)
    with pytest.raises(NothingToRepairError, match="name one with --class"):
        repair(original, config=QUICK)
