import math
from collections.abc import Callable

import pytest
import torch
from torch import nn

from triggerfish.errors import UnsupportedModelError
from triggerfish.model.classifier import Classifier, Preprocessing, log_odds

SHAPE = (1, 4, 4)


class Headed(nn.Module):
    """Linear logits under some head."""

    def __init__(self, head, scale: float = 1.0) -> None:
        super().__init__()
        self.linear = nn.Linear(16, 5)
        with torch.no_grad():
            values = torch.linspace(-1, 1, 80).view(5, 16)
            self.linear.weight.copy_(values.sin() * scale)
            self.linear.bias.copy_(torch.linspace(-1, 1, 5))
        self.head = head

    def forward(self, x):
        return self.head(self.linear(x.flatten(1)))


def hidden_softmax(y: torch.Tensor) -> torch.Tensor:
    """By hand, so that nothing is there to be left out."""
    return (y - y.amax(1, keepdim=True)).exp() / (y - y.amax(1, keepdim=True)).exp().sum(1, True)


HEADS = {
    "logits": lambda y: y * 3,
    "log_softmax": lambda y: y * 3 - (y * 3).logsumexp(1, keepdim=True),
    "softmax": lambda y: hidden_softmax(y * 3),
}
SEEN_HEADS = {
    "softmax": lambda y: nn.functional.softmax(y, dim=1),
    "module": nn.Softmax(dim=-1),
    "method": lambda y: y.softmax(1),
    "keyword": lambda y: torch.softmax(input=y, dim=1),
    "log_softmax": lambda y: nn.functional.log_softmax(y, dim=1),
    "sigmoid": torch.sigmoid,
    "in place": lambda y: y.clone().sigmoid_(),
    "exponential": lambda y: y.log_softmax(1).exp(),
    "logarithm": lambda y: y.softmax(1).log(),
    "moved": lambda y: y[:, :, None, None].softmax(1).flatten(1),
    "inside a mapping": lambda y: {"probabilities": y.softmax(1), "features": y.relu()},
}
WRAPPINGS = {
    "tuple": lambda y: (y, None),
    "mapping": lambda y: {"logits": y},
    "maps": lambda y: y[:, :, None, None],
}


def images(count: int = 6) -> torch.Tensor:
    return torch.rand(count, *SHAPE, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("kind", HEADS)
def test_heads_are_recognised_and_give_the_same_log_odds(kind: str) -> None:
    classifier = Classifier(Headed(HEADS[kind]), SHAPE)
    plain = Classifier(Headed(HEADS["logits"]), SHAPE)
    target = torch.arange(6) % 5
    assert classifier.output == kind
    torch.testing.assert_close(
        log_odds(classifier.logits(images()), target), log_odds(plain.logits(images()), target)
    )


@pytest.mark.parametrize("kind", SEEN_HEADS)
def test_a_head_inside_forward_is_left_out(kind: str) -> None:
    classifier = Classifier(Headed(SEEN_HEADS[kind]), SHAPE)
    assert classifier.output == "logits"
    assert {p.dtype for p in classifier.model.parameters()} == {torch.float32}
    expected = Headed(lambda y: y)(images())
    torch.testing.assert_close(classifier.logits(images()), expected)


def test_a_softmax_that_is_not_the_answer_stays() -> None:
    """Attention has softmaxes too, and a head may be scaled or come over the wrong axis."""
    for head in (
        lambda y: y.softmax(1) @ torch.ones(5, 5).triu(),
        lambda y: y.softmax(0),
        lambda y: y.softmax(1) * 2 - 1,
    ):
        classifier = Classifier(Headed(head), SHAPE)
        torch.testing.assert_close(classifier.raw_output(images()).float(), Headed(head)(images()))


def test_sigmoids_become_each_class_s_own_logit() -> None:
    classifier = Classifier(Headed(lambda y: 1 / (1 + (-y).exp())), SHAPE)
    assert classifier.output == "sigmoid"
    expected = Headed(lambda y: y)(images())
    torch.testing.assert_close(classifier.logits(images()), expected)


@pytest.mark.parametrize("kind", WRAPPINGS)
def test_logits_are_found_in_what_a_model_returns(kind: str) -> None:
    classifier = Classifier(Headed(WRAPPINGS[kind]), SHAPE)
    torch.testing.assert_close(classifier.logits(images()), Headed(lambda y: y)(images()))


@pytest.mark.parametrize("head", [nn.Softmax(1), nn.LogSoftmax(1), nn.Sigmoid()])
def test_a_visible_head_is_taken_off_a_copy(head: nn.Module) -> None:
    body = Headed(lambda y: y * 200)
    model = nn.Sequential(body, nn.Sequential(nn.Identity(), head))
    classifier = Classifier(model, SHAPE)
    assert classifier.output == "logits"
    torch.testing.assert_close(classifier.logits(images()), body(images()))
    assert len(model[1]) == 2


def test_probabilities_keep_log_odds_that_float32_would_lose() -> None:
    steep = Headed(lambda y: hidden_softmax(y * 8))
    classifier = Classifier(steep, SHAPE)
    top = classifier.logits(images()).argmax(1)
    lost = log_odds(steep(images()).clamp_min(1e-38).log(), top)
    kept = log_odds(classifier.logits(images()), top)
    true = log_odds(Headed(lambda y: y * 8)(images()), top)
    torch.testing.assert_close(kept, true, rtol=1e-4, atol=1e-4)
    assert classifier.logits(images()).dtype == torch.float32
    assert not classifier.saturated(images()).any()
    assert torch.isfinite(lost).all()


def test_saturation_is_reported() -> None:
    assert Classifier(Headed(lambda y: hidden_softmax(y * 1e4)), SHAPE).saturated(images()).all()
    assert not Classifier(Headed(lambda y: y * 1e4), SHAPE).saturated(images()).any()


def test_log_probabilities_that_round_to_zero_keep_the_log_odds() -> None:
    logits = Headed(lambda y: y * 100)
    classifier = Classifier(Headed(lambda y: y * 100 - (y * 100).logsumexp(1, True)), SHAPE)
    answers = classifier.raw_output(images())
    assert bool((answers == 0).any(1).all())
    assert not classifier.saturated(images()).any()
    top = answers.argmax(1)
    torch.testing.assert_close(log_odds(answers, top), log_odds(logits(images()), top))


def test_preprocessing_is_inside() -> None:
    seen = []

    def model(x: torch.Tensor) -> torch.Tensor:
        seen.append(x)
        return Headed(lambda y: y)(x.permute(0, 3, 1, 2))

    preprocessing = Preprocessing((10.0,), (5.0,), (0.0, 255.0), channels_last=True)
    Classifier(model, SHAPE, preprocessing=preprocessing).logits(torch.ones(1, *SHAPE))
    assert seen[-1].shape == (1, 4, 4, 1)
    torch.testing.assert_close(seen[-1], torch.full((1, 4, 4, 1), (255.0 - 10.0) / 5.0))


def test_the_callers_module_is_left_alone() -> None:
    model = Headed(lambda y: y).train()
    Classifier(model, SHAPE)
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.Linear(3, 2), "takes images"),
        (lambda x: x.sum(), "classes"),
        (lambda x: x.flatten(1)[:, :0], "classes"),
        (lambda x: x.flatten(1)[:1], "classes"),
        (lambda x: x.flatten(1) * math.nan, "finite"),
        (lambda x: x.flatten(1).argsort(1), "finite"),
        (lambda x: "cat", "logits"),
    ],
)
def test_what_is_no_classifier_is_refused(model, message: str) -> None:
    with pytest.raises(UnsupportedModelError, match=message):
        Classifier(model, SHAPE)


class OneLogit(nn.Module):
    """A network with one output; ``head`` is what it does to its logit."""

    def __init__(self, head: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.fc, self.head = nn.Linear(16, 1), head

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.fc(x.flatten(1)))


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (lambda z: z, "logits"),
        (lambda z: z[:, 0], "logits"),
        (lambda z: 0.5 + z / 100, "logits"),
        (torch.sigmoid, "logits"),  # taken off
        (lambda z: torch.sigmoid(z)[:, 0], "sigmoid"),
    ],
)
def test_one_output_is_the_logit_of_class_1_against_class_0(head, kind: str) -> None:
    torch.manual_seed(0)
    network = OneLogit(head)
    classifier = Classifier(network, (1, 4, 4))
    assert (classifier.output, classifier.num_classes) == (kind, 2)
    images = torch.rand(3, 1, 4, 4)
    z = network.fc(images.flatten(1))
    z = z if bool(((head(1000 * z) >= 0) & (head(1000 * z) <= 1)).all()) else head(z)
    expected = torch.stack([torch.zeros(3), z.detach().view(3)], 1)
    torch.testing.assert_close(classifier.logits(images), expected)


def test_wrong_number_of_classes_says_both() -> None:
    with pytest.raises(UnsupportedModelError, match=r"\(N, 7\), got \(N, 5\)"):
        Classifier(Headed(lambda y: y), SHAPE, num_classes=7)


@pytest.mark.parametrize(
    "values",
    [{"std": (0.0,)}, {"std": (-1.0,)}, {"mean": (math.nan,)}, {"input_range": (1.0, 0.0)}],
)
def test_impossible_preprocessing_is_refused(values: dict) -> None:
    with pytest.raises(ValueError, match="expected"):
        Preprocessing(**values)


def test_one_mean_a_channel_or_one_for_all() -> None:
    assert Preprocessing((0.5,), (0.1, 0.2, 0.3)).affine(3)[0].shape == (1, 3, 1, 1)
    with pytest.raises(ValueError, match="mean has 2 numbers, and an image 3 channels"):
        Preprocessing((0.5, 0.5)).affine(3)


class Student(nn.Module):
    """Flattens by a view of its sizes, as very many networks do."""

    def __init__(self, flatten) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 6, 3), nn.Linear(6 * 3 * 3, 4)
        self.flatten = flatten

    def forward(self, x):
        return self.fc(self.flatten(nn.functional.max_pool2d(self.conv(x).relu(), 2)))


FLATTENINGS = {
    "view": lambda x: x.view(x.size(0), -1),
    "view of a tuple": lambda x: x.view((x.shape[0], 54)),
    "view of a keyword": lambda x: x.view(size=(-1, 54)),
    "view as": lambda x: x.view_as(torch.empty(len(x), 54)),
    "function": lambda x: torch.ops.aten.view.default(x, [-1, 54]),
    "strided": lambda x: x.as_strided((len(x), 54), (54, 1)),
}


@pytest.mark.parametrize("how", FLATTENINGS)
def test_views_work(how: str) -> None:
    torch.manual_seed(0)
    network = Student(FLATTENINGS[how])
    x = torch.rand(5, 3, 8, 8)
    classifier = Classifier(network, (3, 8, 8))
    for laid_out in (x, x.contiguous(memory_format=torch.channels_last)):
        torch.testing.assert_close(classifier.logits(laid_out), network(x))
    fast = classifier.model.conv.weight.is_contiguous(memory_format=torch.channels_last)
    assert fast == (how != "strided")


def test_views_of_pictures_themselves_work() -> None:
    network = nn.Sequential(nn.Unflatten(1, (1, 3)), nn.Flatten(), nn.Linear(48, 4))
    network.forward = lambda x: network[2](x.view(x.size(0), -1))
    x = torch.rand(5, 3, 4, 4)
    classifier = Classifier(network, (3, 4, 4))
    mixed = x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    torch.testing.assert_close(classifier.logits(mixed), network(x))
