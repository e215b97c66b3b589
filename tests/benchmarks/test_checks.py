import pytest
import torch
from verdicts import verdict as made_verdict

from benchmarks.checks import outcome
from benchmarks.conditions import CONDITIONS, Case
from triggerfish.architectures import PaperCNN
from triggerfish.model.classifier import MNIST_MEAN, MNIST_STD, Preprocessing
from triggerfish.results import Finding


@pytest.fixture(scope="module")
def case():
    torch.manual_seed(0)
    right = Preprocessing((MNIST_MEAN,), (MNIST_STD,))
    return Case(PaperCNN(), "paper_cnn", (1, 28, 28), right, 10, seed=3)


def pictures():
    return torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))


def answers(case, name, images):
    return CONDITIONS[name](case).logits(images)


@pytest.mark.parametrize("name", CONDITIONS)
def test_every_condition_is_a_classifier_and_leaves_the_network_alone(case, name):
    before = {key: value.clone() for key, value in case.network.state_dict().items()}
    assert answers(case, name, pictures()).shape == (3, 10)
    assert all(torch.equal(before[key], value) for key, value in case.network.state_dict().items())


def test_conditions_do_what_they_say(case):
    x = pictures()
    right = answers(case, "as trained", x)
    torch.testing.assert_close(answers(case, "inverted", 1 - x), right, rtol=1e-4, atol=1e-5)
    larger = answers(case, "0 to 255, normalised", x / 255)
    torch.testing.assert_close(larger, right, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(answers(case, "all weights shuffled", x), right)


def verdict(flagged, reasons=()):
    return made_verdict(flagged, (0.0,) * 5, reasons=reasons)


def test_outcomes():
    reason = (Finding("ties", "expected x, got y"),)
    assert outcome(verdict(()), ()) == outcome(verdict((3,), reason), (3,)) == "right"
    assert outcome(verdict((), reason), (3,)) == "inconclusive"
    assert outcome(verdict((3, 4), reason), (3,)) == "doubted"
    assert outcome(verdict(()), (3,)) == outcome(verdict((3,)), ()) == "wrong"
