import math

import pytest
import torch
from torch import nn

from triggerfish.model.classifier import Classifier
from triggerfish.search.pair_bounds import FRACTIONS, pair_bounds
from triggerfish.search.picture_pool import PicturePool
from triggerfish.search.recall import ClassSearches, kept_of, searches_of
from triggerfish.search.universal import UniversalPerturbations

SHAPE = (1, 1, 3)


class Largest(nn.Module):
    """The class is the largest of three pixels, so a step is as long as the lead is."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 50 * x.flatten(1)


def bounds() -> torch.Tensor:
    model = Classifier(Largest(), SHAPE)
    # Pictures of class 0 lead by 0.2, those of class 1 by 0.6.
    images = torch.tensor([[0.3, 0.1, 0.1]] * 8 + [[0.1, 0.7, 0.1]] * 8).view(16, *SHAPE)
    pool = PicturePool.of(model, images)
    towards = torch.zeros(3, *SHAPE)
    towards[2, 0, 0, 2] = 0.8
    size = torch.tensor([math.nan, math.nan, 0.8], dtype=torch.float64)
    return pair_bounds(model, pool, towards, size, 0.7)


def test_a_source_that_leads_by_less_needs_a_smaller_fraction() -> None:
    found = bounds().exp()
    assert found[0, 2] < found[1, 2]
    # 0.2 of 0.8 are reached between the first two fractions, 0.6 of it between the last two.
    assert 0.8 * FRACTIONS[0] <= found[0, 2] <= 0.8 * FRACTIONS[1]
    assert 0.8 * FRACTIONS[2] <= found[1, 2] <= 0.8


def test_what_was_not_found_has_no_bound() -> None:
    found = bounds()
    assert found[2].isnan().all()  # no picture is called that
    assert found[:, :2].isnan().all()
    assert found.diagonal().isnan().all()


def test_what_a_scan_has_found_is_kept_for_that_very_classifier() -> None:
    model, other = (Classifier(Largest(), SHAPE) for _ in range(2))
    nothing = UniversalPerturbations(*(torch.zeros(0) for _ in range(5)))
    found = ClassSearches(torch.arange(3), nothing, nothing)
    kept_of(model).searches = found
    assert searches_of(model) is found
    assert searches_of(other) is None


@pytest.mark.parametrize(("count", "pixels", "held"), [(400, 3072, 400), (400, 150_528, 111)])
def test_large_pictures_are_held_in_smaller_numbers(count: int, pixels: int, held: int) -> None:
    from triggerfish.search.pictures import as_many

    assert as_many(count, pixels) == held
