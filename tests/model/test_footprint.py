"""How many images pass a network together without a gradient."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from triggerfish.model.classifier import Classifier
from triggerfish.model.footprint import ALIVE, EVALUATED_BYTES, MOST, images_at_once


class Wide(nn.Module):
    """Its largest value is ``times`` as large as its image."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times, self.last = times, nn.Linear(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        """As a classifier."""
        answer: Tensor = self.last(x.repeat(1, self.times, 1, 1).mean((2, 3))[:, :3])
        return answer


def test_a_network_with_large_values_gets_fewer_images() -> None:
    wide = Classifier(Wide(100).eval(), (3, 64, 64), output="logits")
    largest = 100 * 3 * 64 * 64 * 4
    assert images_at_once(wide) == EVALUATED_BYTES // (ALIVE * largest) < MOST


def test_a_small_network_gets_no_more_than_pay() -> None:
    assert images_at_once(Classifier(Wide(1).eval(), (3, 8, 8), output="logits")) == MOST


def test_one_image_passes_whatever_it_takes() -> None:
    vast = Classifier(Wide(2000).eval(), (3, 128, 128), output="logits", dtype=torch.float32)
    assert images_at_once(vast) == 1


def test_large_weights_make_no_image_larger() -> None:
    layers = nn.Sequential(nn.Flatten(), nn.Linear(192, 10_000), nn.Linear(10_000, 4))
    assert images_at_once(Classifier(layers, (3, 8, 8), output="logits")) == MOST
