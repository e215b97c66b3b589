import torch
from torch import nn

from triggerfish.model.classifier import Classifier
from triggerfish.search.picture_pool import UNTARGETED, PicturePool, reached


def pool():
    predicted = torch.tensor([0] * 90 + [1] * 8 + [2] * 2)
    return PicturePool(torch.rand(100, 1, 2, 2), predicted, torch.zeros(100, 3).bool())


def draws(target, count=4, rounds=2000):
    generator, target = torch.Generator().manual_seed(0), torch.tensor(target)
    return torch.stack([pool().draw(target, count, generator) for _ in range(rounds)])


def test_a_row_gets_no_picture_of_its_own_class():
    predicted = pool().predicted[draws([0, 1, UNTARGETED], rounds=50)]
    assert (predicted[:, 0] != 0).all()
    assert (predicted[:, 1] != 1).all()
    assert (predicted[:, 2] == 0).any()


def test_predicted_classes_are_drawn_alike_however_rare():
    predicted = pool().predicted[draws([UNTARGETED], count=1)]
    shares = torch.bincount(predicted.flatten()) / predicted.numel()
    assert torch.allclose(shares, torch.full((3,), 1 / 3), atol=0.04)


def test_a_row_draws_the_same_alone():
    assert torch.equal(draws([0, 1, 2], rounds=5)[:, 1:2], draws([1], rounds=5))


def test_a_class_that_is_nearly_everything_gets_some_of_its_own():
    drawn = pool().predicted[draws([0], count=14, rounds=3)]
    assert ((drawn == 0).sum(2) == 4).all()


def test_a_class_that_likes_any_picture_is_drawn_far_ones():
    # Class 0 is likely for all: half of the pictures nearly call it, half a little less.
    likely = torch.tensor([[6.0, 7.0, -3.0]] * 50 + [[4.0, 7.0, -3.0]] * 50)
    model = Classifier(nn.Sequential(nn.Flatten(), _Lookup(likely)), (1, 1, 1))
    pool = PicturePool.of(model, torch.arange(100.0).view(100, 1, 1, 1) / 100)
    drawn = pool.draw(torch.tensor([0, 2]), 8, torch.Generator().manual_seed(0))
    assert (drawn[0] >= 50).all()
    assert (drawn[1] < 50).any()
    assert pool.near.dtype == torch.bool
    assert not pool.near[:, 2].any()


class _Lookup(nn.Module):
    """Logits (N, K) of pictures of one pixel, whose value times 100 is the row of a table."""

    def __init__(self, table: torch.Tensor) -> None:
        super().__init__()
        self.table = nn.Parameter(table)

    def forward(self, pixel: torch.Tensor) -> torch.Tensor:
        return self.table[(pixel.flatten() * 100).round().long()] + 0 * pixel


def test_untargeted_success_is_any_other_class():
    logits = torch.eye(3)[[0, 1, 1, 2]]
    label = torch.tensor([[0, 0], [2, 2]])
    expected = [[True, False], [True, False]]
    assert reached(logits, label[:, :], torch.tensor([0, UNTARGETED])).tolist() == expected
