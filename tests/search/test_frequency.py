import math

import pytest
import torch

from triggerfish.search.frequency import cosine_basis

SHAPE = (3, 8, 12)


def basis(highest=2.0, shape=SHAPE):
    return cosine_basis(shape, highest, torch.device("cpu"), torch.float64)


def test_synthesis_keeps_norms_and_analysis_undoes_it():
    x = torch.randn(4, *SHAPE, dtype=torch.float64)
    x -= x.mean((2, 3), keepdim=True)
    coefficients = basis().analyze(x)
    assert torch.allclose(basis().synthesize(coefficients), x)
    assert torch.allclose(coefficients.pow(2).sum(), x.pow(2).sum())


def test_constants_and_high_frequencies_are_left_out_in_every_direction():
    allowed = basis(0.5).allowed
    assert not allowed[:, 0, 0].any()
    assert allowed[:, 4, 0].all()
    assert allowed[:, 0, 6].all()
    assert allowed[:, 2, 4].all()  # (2/8, 4/12): 0.42
    assert not allowed[:, 3, 5].any()  # 0.56, though neither index alone is too high
    assert not allowed[:, 5:].any()
    assert not allowed[:, :, 7:].any()


def test_a_grey_wave_is_one_coefficient():
    wave = torch.cos(math.pi / 12 * 3 * (torch.arange(12, dtype=torch.float64) + 0.5))
    coefficients = basis().analyze(wave.expand(1, 3, 8, 12))[0]
    assert coefficients[0, 0, 3] == pytest.approx((wave**2).sum().mul(24).sqrt().item())
    assert coefficients.abs().sum() == pytest.approx(coefficients[0, 0, 3].item())
