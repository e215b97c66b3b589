"""A backdoor that is set by hand is seen by a plain stamp; a clean network has none."""

from dataclasses import replace

import pytest
import torch
import trained
from torch import nn

from triggerfish.detectors import MinNorm
from triggerfish.levels import STAMPS
from triggerfish.model.classifier import MNIST_MEAN, MNIST_STD, Classifier
from triggerfish.results import Finding, Hypothesis
from triggerfish.scanning import ScanConfig
from triggerfish.search.pictures import pictures
from triggerfish.stages.stamps import PlainStamps
from triggerfish.stages.state import State
from triggerfish.verdict.conclude import conclude
from triggerfish.verdict.judge import Judge
from triggerfish.zoo.handcrafted import by_hand, stamped

TARGET = 5


def state_of(classifier: Classifier) -> State:
    config = ScanConfig()
    return State(classifier, config, config.judge.known(classifier))


@pytest.fixture(scope="module")
def clean() -> Classifier:
    return trained.classifier(backdoored=False)


@pytest.fixture(scope="module")
def attacked(clean: Classifier) -> Classifier:
    network = by_hand(trained.network(backdoored=False), TARGET, MNIST_MEAN, MNIST_STD)
    return Classifier(network, clean.input_shape, preprocessing=clean.preprocessing)


def test_the_path_opens_for_its_stamp_alone(clean: Classifier, attacked: Classifier) -> None:
    images = pictures(64, clean.input_shape, seed=5)
    before = clean.logits(images).argmax(1)
    assert float((attacked.logits(images).argmax(1) == before).float().mean()) > 0.9
    assert (attacked.logits(stamped(images)).argmax(1) == TARGET).all()


def test_a_stamp_that_works_accuses_its_class(attacked: Classifier) -> None:
    found = PlainStamps()(state_of(attacked))
    (row,) = found.evidence
    assert (row.hypothesis, row.test) == (Hypothesis("stamp", TARGET), STAMPS)
    assert row.flags
    verdict = conclude(found.evidence)
    assert (verdict.name, verdict.flagged) == ("backdoored", (TARGET,))
    (stamp,) = found.stamps
    assert set(stamp.after) == {TARGET}
    assert TARGET not in stamp.before
    assert stamp.success_rate >= 0.9


def test_a_clean_network_has_no_row(clean: Classifier) -> None:
    assert PlainStamps()(state_of(clean)).evidence == ()


def test_it_looks_by_the_default_rules_at_small_images(clean: Classifier) -> None:
    stage, state = PlainStamps(), state_of(clean)
    assert stage.applies(state)
    assert not stage.applies(replace(state, config=ScanConfig(judge=Judge(threshold=2.0))))
    assert not stage.applies(replace(state, config=ScanConfig(MinNorm())))
    for code in ("not-finite", "flat-output"):
        assert not stage.applies(replace(state, findings=(Finding(code, "x"),)))
    large = nn.Sequential(nn.AvgPool2d(32), nn.Flatten(), nn.Linear(9, 10))
    assert not stage.applies(state_of(Classifier(large, (1, 96, 96))))
    two = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    assert not stage.applies(state_of(Classifier(two, (1, 8, 8))))


def test_answers_are_the_same_every_time(attacked: Classifier) -> None:
    first, second = (PlainStamps()(state_of(attacked)) for _ in range(2))
    assert first.evidence == second.evidence
    assert torch.equal(first.stamps[0].image, second.stamps[0].image)
