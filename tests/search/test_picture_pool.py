import torch

from triggerfish.search.picture_pool import UNTARGETED, PicturePool, reached


def pool():
    called = torch.tensor([0] * 90 + [1] * 8 + [2] * 2)
    return PicturePool(torch.rand(100, 1, 2, 2), called)


def draws(target, count=4, rounds=2000):
    generator, target = torch.Generator().manual_seed(0), torch.tensor(target)
    return torch.stack([pool().draw(target, count, generator) for _ in range(rounds)])


def test_a_row_gets_no_picture_of_its_own_class():
    called = pool().called[draws([0, 1, UNTARGETED], rounds=50)]
    assert (called[:, 0] != 0).all()
    assert (called[:, 1] != 1).all()
    assert (called[:, 2] == 0).any()


def test_called_classes_are_drawn_alike_however_rare():
    called = pool().called[draws([UNTARGETED], count=1)]
    shares = torch.bincount(called.flatten()) / called.numel()
    assert torch.allclose(shares, torch.full((3,), 1 / 3), atol=0.04)


def test_a_row_draws_the_same_alone():
    assert torch.equal(draws([0, 1, 2], rounds=5)[:, 1:2], draws([1], rounds=5))


def test_a_class_that_is_nearly_everything_gets_some_of_its_own():
    drawn = pool().called[draws([0], count=14, rounds=3)]
    assert ((drawn == 0).sum(2) == 4).all()


def test_untargeted_success_is_any_other_class():
    logits = torch.eye(3)[[0, 1, 1, 2]]
    label = torch.tensor([[0, 0], [2, 2]])
    expected = [[True, False], [True, False]]
    assert reached(logits, label[:, :], torch.tensor([0, UNTARGETED])).tolist() == expected
