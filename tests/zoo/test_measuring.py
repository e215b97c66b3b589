import pytest
import torch

from triggerfish.zoo.attacks.all_to_all import AllToAllAttack
from triggerfish.zoo.attacks.patch import PatchAttack
from triggerfish.zoo.attacks.several_targets import SeveralTargetsAttack
from triggerfish.zoo.data.datasets import load_dataset
from triggerfish.zoo.measuring import attack_success_rate, clean_accuracy


class Corner(torch.nn.Module):
    """Says 4 where the top-left pixel is white, else 0."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, images):
        logits = torch.zeros(len(images), 10)
        logits[:, 0] = 1
        logits[:, 4] = 2 * (images[:, 0, 0, 0] > 0.99)
        return logits


@pytest.fixture(scope="module")
def data(small_mnist):
    return load_dataset("mnist", "train", small_mnist)


def test_clean_accuracy(data):
    zeros = (data.labels == 0).double().mean().item()
    assert clean_accuracy(Corner(), data) == pytest.approx(zeros)


@pytest.mark.parametrize(
    ("attack", "rate"),
    [
        (PatchAttack(target=4), 1),
        (PatchAttack(target=4, row=-1), 0),
        # Of the images to move to class 0, none is of class 0 itself.
        (PatchAttack(target=0), 0),
        # The first of the two triggers works always, the second never: the worse one counts.
        (SeveralTargetsAttack(target=4, count=2), 0),
    ],
)
def test_attack_success_rate(data, attack, rate):
    assert attack_success_rate(Corner(), data, attack) == rate


def test_attack_success_rate_of_all_to_all_counts_every_class(data):
    moved_to_zero = (data.labels == 9).double().mean().item()
    assert attack_success_rate(Corner(), data, AllToAllAttack()) == pytest.approx(moved_to_zero)
