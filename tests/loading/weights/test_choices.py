"""State dicts that are no network of their own, or no classifier: what the error calls them."""

import pytest
import torch

from triggerfish.errors import UnsupportedModelError
from triggerfish.loading.contents import Part
from triggerfish.loading.hints import Hints
from triggerfish.loading.weights.choices import network_choices


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("encoder.0.query.lora_A.weight", "LoRA's changes to another one: merge them"),
        ("backbone.rpn.head.weight", "only classifiers are scanned"),
        ("BboxHead.0.conv1x1.weight", "only classifiers are scanned"),
        ("bboxer.weight", "triggerfish arch init"),
    ],
)
def test_what_no_draft_helps_is_called_by_its_name(name: str, said: str) -> None:
    state = {"stem.weight": torch.zeros(4, 4, 2), name: torch.zeros(4, 8)}
    with pytest.raises(UnsupportedModelError, match=said):
        network_choices(Part("", state), Hints("nobody"), "m.pt")
