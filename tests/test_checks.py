import torch
from torch import nn
from trained import classifier

from triggerfish.checks import check_model, check_scores
from triggerfish.classifier import Classifier, Preprocessing
from triggerfish.results import ClassScores, Status


def codes(findings) -> set[str]:
    return {finding.code for finding in findings}


def scores(statistic: list[float], **details) -> ClassScores:
    values = torch.tensor(statistic, dtype=torch.float64)
    status = tuple(Status.UNREACHABLE if v != v else Status.CONVERGED for v in statistic)
    count = len(statistic)
    images, logits = torch.zeros(count, 1, 2, 2), torch.zeros(count, count)
    return ClassScores("s", values, status, images, values, logits, details)


def test_a_sound_model_and_sound_scores_have_no_findings():
    assert check_model(classifier(backdoored=True)) == []
    sound = scores([0.1, -0.2, 0.3, 0.0, -0.1, 2.0], min_norm_0=torch.full((6,), 1.0).double())
    assert check_scores(sound, 784) == []


def test_a_dead_network_is_named():
    layer = nn.Linear(16, 6)
    layer.weight.data.zero_()
    model = Classifier(nn.Sequential(nn.Flatten(), layer), (1, 4, 4))
    assert codes(check_model(model)) == {"constant-output"}


def test_saturated_probabilities_are_named():
    weight = torch.randn(6, 16, generator=torch.Generator().manual_seed(0)) * 500
    model = Classifier(lambda x: (x.flatten(1) @ weight.T).softmax(1), (1, 4, 4), output="softmax")
    assert "saturated" in codes(check_model(model))


def batch_norm_network() -> nn.Module:
    """Trained, as far as batch norm knows, on inputs from 0 to 255."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, 6)
    )
    for _ in range(50):
        network(torch.rand(64, 1, 8, 8) * 255)
    return network


def test_batch_norm_gives_a_wrong_range_away():
    network = batch_norm_network()
    right = Classifier(network, (1, 8, 8), preprocessing=Preprocessing(input_range=(0.0, 255.0)))
    too_small = Classifier(network, (1, 8, 8))
    too_large = Classifier(
        network, (1, 8, 8), preprocessing=Preprocessing(input_range=(0.0, 65025.0))
    )
    assert "wrong-preprocessing" not in codes(check_model(right))
    assert "wrong-preprocessing" in codes(check_model(too_large))
    assert "wrong-preprocessing" in codes(check_model(too_small))


def test_scores_that_cannot_be_judged_are_named():
    nan = float("nan")
    assert codes(check_scores(scores([0.1, nan, 0.2, 0.4, 0.3, 0.0, 0.6]), 4)) == {"unreachable"}
    assert codes(check_scores(scores([0.1, 0.2, 0.3]), 4)) == {"few-classes"}
    assert codes(check_scores(scores([0.0] * 6 + [1.0]), 4)) == {"ties"}
    nothing = torch.full((6,), torch.inf).double()
    assert codes(check_scores(scores([nan] * 6, min_norm_0=nothing), 784)) == {
        "unreachable",
        "few-classes",
    }
    far = scores([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], min_norm_0=torch.full((6,), 400.0).double())
    assert codes(check_scores(far, 784)) == {"implausible-norms"}
