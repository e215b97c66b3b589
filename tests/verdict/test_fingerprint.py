import pytest
import torch
from torch import nn

from triggerfish.architectures import ARCHITECTURES
from triggerfish.detectors import DETECTORS, MinNorm
from triggerfish.loading.programs.graph_network import GraphNetwork
from triggerfish.loading.programs.steps import Ref, Step
from triggerfish.model.classifier import MNIST_MEAN, MNIST_STD, Classifier, Preprocessing
from triggerfish.references.making import make_reference
from triggerfish.references.recognition import fingerprint
from triggerfish.references.store import shipped_references

MNIST = Preprocessing((MNIST_MEAN,), (MNIST_STD,))


def constants(*shapes: tuple[int, ...]) -> Classifier:
    """A network of a file format that keeps all weights as constants."""
    tensors = {f"t{i}": torch.zeros(shape) for i, shape in enumerate(shapes)}
    steps = [Step("flatten", lambda x: x.flatten(1)[:, :6], (Ref("x"),), ("v0",))]
    for i in range(len(shapes)):  # each uses its constant, or it would not be kept
        used = (Ref(f"v{i}"), Ref(f"t{i}"))
        steps.append(Step("add", lambda x, t: x + t.sum(), used, (f"v{i + 1}",)))
    network = GraphNetwork("x", tensors, steps, f"v{len(shapes)}")
    return Classifier(network, (1, 4, 4), output="logits")


def test_networks_of_constants_are_told_apart() -> None:
    first, second = constants((5, 16), (6, 5)), constants((7, 16), (6, 7))
    assert fingerprint(first)[0] != fingerprint(second)[0]
    assert "" not in (fingerprint(first)[0], fingerprint(second)[0])


def test_a_network_without_weights_is_like_none_and_makes_no_reference() -> None:
    empty = Classifier(lambda x: x.flatten(1)[:, :6], (1, 4, 4), output="logits")
    assert fingerprint(empty)[0] == fingerprint(constants())[0] == ""
    scores = [torch.zeros(6).numpy()] * 10
    with pytest.raises(ValueError, match="networks with weights"):
        make_reference("none", MinNorm(), empty, scores)


def convolutions(*, norm: bool) -> Classifier:
    after = [nn.BatchNorm2d(4)] if norm else []
    network = nn.Sequential(nn.Conv2d(1, 4, 3), *after, nn.Flatten(), nn.Linear(144, 8))
    return Classifier(network, (1, 8, 8))


def test_folded_batch_norm_transposes_and_precision_change_nothing() -> None:
    plain = fingerprint(convolutions(norm=True))
    assert plain == fingerprint(convolutions(norm=False))
    assert constants_of((4, 1, 3, 3), (144, 8)) == plain[0]
    double = Classifier(convolutions(norm=True).model, (1, 8, 8), dtype=torch.float64)
    assert fingerprint(double) == plain


def constants_of(*shapes: tuple[int, ...]) -> str:
    return fingerprint(constants(*shapes))[0]


def test_a_shared_weight_counts_once() -> None:
    layer = nn.Linear(8, 8)
    twice = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), layer, layer)
    once = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.Linear(8, 8))
    digests = {fingerprint(Classifier(network, (1, 4, 4)))[0] for network in (twice, once)}
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("preprocessing", "same"),
    [
        (Preprocessing((0.1307 * 255,), (0.3081 * 255,), (0.0, 255.0)), True),
        (Preprocessing((0.1307, 0.1307, 0.1307), (0.3081,)), True),
        (Preprocessing((0.1307,), (0.3081,), channels_last=True), True),
        (Preprocessing((0.1307,), (0.5,)), False),
        (Preprocessing(), False),
    ],
)
def test_the_task_is_what_the_network_is_fed(preprocessing: Preprocessing, same: bool) -> None:
    def task(given: Preprocessing) -> dict[str, object]:
        network = nn.Sequential(nn.Flatten(), nn.Linear(48, 8))
        return fingerprint(Classifier(network, (3, 4, 4), preprocessing=given))[1]

    assert (task(preprocessing) == task(MNIST)) is same


@pytest.mark.parametrize(
    "reference",
    [r for r in shipped_references() if r.is_calibrated],
    ids=lambda r: f"{r.name} {r.detector}",
)
def test_shipped_references_match_the_networks_that_they_name(reference) -> None:
    data, network = reference.name.split(", ")
    mean, std = {"mnist": (MNIST_MEAN, MNIST_STD), "fashion-mnist": (0.2860, 0.3530)}[data]
    classifier = Classifier(
        ARCHITECTURES[network](10, 1), (1, 28, 28), preprocessing=Preprocessing((mean,), (std,))
    )
    assert fingerprint(classifier) == (reference.network, reference.task)
    assert f"{network} on {data}" in reference.recipe


def test_the_shipped_scores_of_other_peoples_networks_are_of_the_default_scan() -> None:
    found = [r for r in shipped_references() if not r.is_calibrated]
    assert all(r.is_made_with(DETECTORS[r.detector]()) for r in found)
    assert {r.detector for r in found} == {"ensemble", "universal-pairs"}
    assert [r.size >= 40 for r in found if r.kind == "any-network"] == [True]
    assert {r.name for r in found if r.kind == "same-task"} == {
        "MNIST", "Fashion-MNIST", "CIFAR-10",
    }  # fmt: skip
