import copy

import pytest
import torch
from torch import Tensor, nn
from trained import classifier, network

from triggerfish.api import scan
from triggerfish.architectures import PaperCNN, own
from triggerfish.model.classifier import MNIST_MEAN, MNIST_STD, Classifier, Preprocessing
from triggerfish.results import BaselineNorms, ClassScores, Status
from triggerfish.verdict import sanity
from triggerfish.verdict.sanity import check_model, check_scores


def codes(findings) -> set[str]:
    return {finding.code for finding in findings}


def scores(statistic: list[float], norm: Tensor | None = None) -> ClassScores:
    values = torch.tensor(statistic, dtype=torch.float64)
    status = tuple(Status.UNREACHABLE if v != v else Status.CONVERGED for v in statistic)
    count = len(statistic)
    images, logits = torch.zeros(count, 1, 2, 2), torch.zeros(count, count)
    norms = () if norm is None else (BaselineNorms("0.0", norm),)
    return ClassScores("s", values, status, images, values, logits, norms=norms)


def test_a_sound_model_and_sound_scores_have_no_findings():
    assert check_model(classifier(backdoored=True)) == []
    assert check_model(classifier(backdoored=False)) == []
    sound = scores([0.1, -0.2, 0.3, 0.0, -0.1, 2.0], norm=torch.full((6,), 1.0).double())
    assert check_scores(sound, 784) == []


def linear(scale: float) -> nn.Module:
    """A linear network on (1, 4, 4) whose logits spread over random pictures by about ``scale``."""
    layer = nn.Linear(16, 6)
    generator = torch.Generator().manual_seed(0)
    layer.weight.data = torch.randn(6, 16, generator=generator) * scale
    return nn.Sequential(nn.Flatten(), layer)


def found(model, shape=(1, 4, 4), **options) -> set[str]:
    return codes(check_model(Classifier(model, shape, **options)))


def test_a_dead_network_is_named():
    assert found(linear(0.0)) == {"constant-output"}


def test_the_layer_is_named_that_nothing_reaches():
    network = PaperCNN()
    network.conv1.bias.data.fill_(-1e3)
    (finding,) = check_model(Classifier(network, (1, 28, 28)))
    assert finding.code == "constant-output"
    assert "layer conv2" in finding.text


@pytest.mark.parametrize("entry", own.ENTRIES, ids=lambda entry: entry.name)
def test_an_untrained_network_is_named(entry):
    torch.manual_seed(0)
    assert found(entry(), entry.input_shape) == {"flat-output"}


def test_shuffled_weights_are_named_in_the_verdict():
    shuffled = copy.deepcopy(network(backdoored=True))
    generator = torch.Generator().manual_seed(0)
    for weight in (p for p in shuffled.parameters() if p.ndim > 1):
        order = torch.randperm(weight.numel(), generator=generator)
        weight.data = weight.flatten()[order].view_as(weight)
    assert "flat-output" in found(shuffled, (1, 28, 28))


def test_only_the_scale_decides_between_flat_and_sharp():
    assert found(linear(0.01)) == {"flat-output"}
    assert found(linear(1.0)) == set()
    assert found(linear(255.0)) == {"sharp-output"}
    raw = Preprocessing(input_range=(0.0, 255.0))
    assert found(linear(1.0), preprocessing=raw) == {"sharp-output"}
    assert found(linear(1 / 255), preprocessing=raw) == set()


def test_inputs_255_times_too_large_are_named_beside_the_flag():
    raw = Preprocessing((MNIST_MEAN,), (MNIST_STD,), (0.0, 255.0))
    verdict = scan(Classifier(network(backdoored=False), (1, 28, 28), preprocessing=raw)).verdict
    assert any(reason.code == "sharp-output" for reason in verdict.reasons)


class Headed(nn.Module):
    """A network whose ``head`` the module does not show."""

    def __init__(self, body: nn.Module, head) -> None:
        super().__init__()
        self.body, self.head = body, head

    def forward(self, x):
        return self.head(self.body(x))


@pytest.mark.parametrize(
    "head",
    [
        lambda z: z.softmax(1).softmax(1),
        lambda z: z.softmax(1).log_softmax(1),
        lambda z: z.sigmoid().softmax(1),
    ],
    ids=["softmax of softmax", "log-softmax of softmax", "softmax of sigmoid"],
)
def test_outputs_squashed_twice_are_named(head):
    assert found(Headed(linear(5.0), head)) == {"flat-output"}


@pytest.mark.parametrize("head", [nn.Softmax(1), nn.LogSoftmax(1), nn.Sigmoid()])
def test_one_head_or_two_visible_ones_are_taken_off(head):
    assert found(Headed(linear(3.0), head)) == set()
    assert found(nn.Sequential(linear(3.0), nn.Softmax(1), head)) == set()


@pytest.mark.parametrize(
    "head",
    [
        lambda z: nn.functional.dropout(z, 0.5, training=True),
        lambda z: z + torch.randn_like(z),
        lambda z: z - z.mean(0),
    ],
    ids=["dropout", "noise", "batch statistics"],
)
def test_two_answers_to_one_picture_are_named(head):
    torch.manual_seed(0)
    assert found(Headed(linear(3.0), head)) == {"unstable-output"}


def test_outputs_that_are_not_finite_are_named():
    overflow = Headed(linear(3.0), lambda z: torch.where(z > 9.0, torch.inf, z))
    assert found(overflow) == {"not-finite"}
    late = scores([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    late.logits[2, 3] = torch.inf
    assert codes(check_scores(late, 784)) == {"not-finite"}


def test_saturated_probabilities_are_named():
    weight = torch.randn(6, 16, generator=torch.Generator().manual_seed(0)) * 500

    def hidden(x):  # no softmax that could be left out
        logits = x.flatten(1) @ weight.T
        shares = (logits - logits.amax(1, keepdim=True)).exp()
        return shares / shares.sum(1, keepdim=True)

    assert "saturated" in found(hidden, output="softmax")
    plain = lambda x: (x.flatten(1) @ weight.T).softmax(1)  # noqa: E731
    assert found(plain, output="softmax") == {"sharp-output"}  # its logits are not lost


def batch_norm_network() -> nn.Module:
    """Trained, as far as batch norm knows, on inputs from 0 to 255."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, 6)
    )
    for _ in range(50):
        model(torch.rand(64, 1, 8, 8) * 255)
    return model


def test_batch_norm_gives_a_wrong_range_away():
    model = batch_norm_network()
    right = Preprocessing(input_range=(0.0, 255.0))
    too_large = Preprocessing(input_range=(0.0, 65025.0))
    assert "wrong-preprocessing" not in found(model, (1, 8, 8), preprocessing=right)
    assert "wrong-preprocessing" in found(model, (1, 8, 8), preprocessing=too_large)
    assert "wrong-preprocessing" in found(model, (1, 8, 8))


def test_scores_that_cannot_be_judged_are_named():
    nan = float("nan")
    assert codes(check_scores(scores([0.1, nan, 0.2, 0.4, 0.3, 0.0, 0.6]), 4)) == {"unreachable"}
    assert codes(check_scores(scores([0.1, 0.2, 0.3]), 4)) == {"few-classes"}
    assert codes(check_scores(scores([0.0] * 6 + [1.0]), 4)) == {"ties"}
    nothing = torch.full((6,), torch.inf).double()
    assert codes(check_scores(scores([nan] * 6, norm=nothing), 784)) == {
        "unreachable",
        "few-classes",
    }
    far = scores([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], norm=torch.full((6,), 400.0).double())
    assert codes(check_scores(far, 784)) == {"implausible-norms"}


def test_statistics_of_parts_are_those_of_the_whole():
    values = torch.randn(50, 3, 4, 4, generator=torch.Generator().manual_seed(0)) * 3 + 1
    parts = [
        (part.numel() // 3, *torch.var_mean(part, dim=(0, 2, 3), correction=0))
        for part in values.split((16, 16, 18))
    ]
    mean, variance = sanity._pooled(parts)
    assert torch.allclose(mean, values.mean((0, 2, 3)), atol=1e-5)
    assert torch.allclose(variance, values.var((0, 2, 3), correction=0), atol=1e-4)
