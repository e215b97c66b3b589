"""Batch norm folded into convolutions: the same answers, or the network as it was."""

import copy
import gc
import weakref

import torch
from torch import Tensor, nn

from triggerfish.model.classifier import Classifier
from triggerfish.model.folding import folded

SHAPE = (3, 8, 8)


class Net(nn.Module):
    def __init__(self, *, twice: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.second, self.norm2 = nn.Conv2d(8, 8, 3, bias=False), nn.BatchNorm2d(8)
        self.head, self.twice = nn.Linear(8, 5), twice
        for norm in (self.norm, self.norm2):
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.1, 3)
            nn.init.normal_(norm.weight)
            nn.init.normal_(norm.bias)

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(x)
        y = self.norm(y).relu() + (y if self.twice else 0)
        return self.head(self.norm2(self.second(y)).mean((2, 3)))


class Branching(Net):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x if x.mean() > 0 else -x)


def norms(classifier: Classifier) -> int:
    return sum(isinstance(m, nn.BatchNorm2d) for m in classifier.model.modules())


def test_the_copy_answers_alike_without_its_norms() -> None:
    classifier = Classifier(Net(), SHAPE)
    before = copy.deepcopy(classifier.model.state_dict())
    faster, x = folded(classifier), torch.rand(7, *SHAPE)
    assert norms(faster) == 0
    assert norms(classifier) == 2
    torch.testing.assert_close(faster.logits(x), classifier.logits(x), atol=1e-4, rtol=1e-4)
    for name, value in classifier.model.state_dict().items():
        assert torch.equal(value, before[name])
    assert folded(classifier) is faster


def test_a_convolution_that_others_read_as_well_stays() -> None:
    classifier = Classifier(Net(twice=True), SHAPE)
    faster, x = folded(classifier), torch.rand(2, *SHAPE)
    assert norms(faster) == 1
    torch.testing.assert_close(faster.logits(x), classifier.logits(x), atol=1e-4, rtol=1e-4)


def test_what_cannot_be_traced_stays_as_it_is() -> None:
    classifier = Classifier(Branching(), SHAPE)
    assert folded(classifier) is classifier
    plain = Classifier(nn.Sequential(nn.Flatten(), nn.Linear(192, 3)), SHAPE)
    assert folded(plain) is plain


class Outside(nn.Module):
    """A rectifier before a pooling, both kept where no state dict sees them."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.linear = nn.Conv2d(3, 4, 3), nn.Linear(36, 3)
        self.steps = [(nn.ReLU(),), (nn.MaxPool2d(2),)]

    def forward(self, x: Tensor) -> Tensor:
        x = self.convolution(x)
        for (step,) in self.steps:
            x = step(x)
        return self.linear(torch.relu(x).flatten(1))


def test_a_rectifier_comes_after_the_pooling() -> None:
    classifier = Classifier(Outside(), SHAPE)
    faster, x = folded(classifier), torch.rand(5, *SHAPE)
    assert [name for name in called(faster) if name in ("ReLU", "MaxPool2d")] == [
        "MaxPool2d",
        "ReLU",
    ]
    assert torch.equal(faster.logits(x), classifier.logits(x))
    assert not hasattr(classifier.model, "unlisted_2")


class Indexed(Outside):
    def __init__(self) -> None:
        super().__init__()
        self.steps = [(nn.ReLU(),), (nn.MaxPool2d(2, return_indices=True),)]

    def forward(self, x: Tensor) -> Tensor:
        x, _ = self.steps[1][0](self.steps[0][0](self.convolution(x)))
        return self.linear(x.flatten(1))


def test_a_pooling_that_also_says_where_stays() -> None:
    classifier = Classifier(Indexed(), SHAPE)
    assert folded(classifier) is classifier


def called(classifier: Classifier) -> list[str]:
    assert isinstance(classifier.model, torch.fx.GraphModule)
    nodes = [n for n in classifier.model.graph.nodes if n.op == "call_module"]
    return [type(classifier.model.get_submodule(str(n.target))).__name__ for n in nodes]


def test_a_network_without_a_copy_is_let_go() -> None:
    classifier = Classifier(Branching(), SHAPE)
    assert folded(classifier) is classifier
    seen = weakref.ref(classifier)
    del classifier
    gc.collect()
    assert seen() is None
