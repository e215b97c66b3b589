import pytest
import torch

from triggerfish.search.pictures import clouds, dead_leaves, pictures


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (3, 9, 20), (4, 130, 70)])
def test_any_shape_in_the_box_and_no_two_alike(shape):
    images = pictures(8, shape)
    assert images.shape == (8, *shape)
    assert images.min() >= 0
    assert images.max() <= 1
    assert len(images.flatten(1).unique(dim=0)) == 8
    assert (images.flatten(1).std(1) > 0.02).sum() >= 7


def test_seed_decides():
    assert torch.equal(pictures(6, (3, 16, 16), 3), pictures(6, (3, 16, 16), 3))
    assert not torch.equal(pictures(6, (3, 16, 16), 3), pictures(6, (3, 16, 16), 4))


def test_gaps_are_black():
    generator = torch.Generator().manual_seed(0)
    plain = dead_leaves(64, (1, 28, 28), generator)
    gaps = dead_leaves(64, (1, 28, 28), generator, gap=0.5)
    assert (gaps < 0.01).float().mean() > 0.25
    assert (plain < 0.01).float().mean() < 0.05


def test_clouds_lose_power_with_frequency():
    images = clouds(32, (1, 64, 64), torch.Generator().manual_seed(0))
    power = torch.fft.rfft2(images - images.mean((2, 3), keepdim=True)).abs().pow(2).mean((0, 1))
    # Amplitude 1/f is power 1/f^2: eight times the frequency has a 64th of it, clipping aside.
    assert 20 < (power[0, 2] / power[0, 16]).item() < 200
