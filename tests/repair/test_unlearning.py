import dataclasses

import pytest
import torch
from trained import TARGET, classifier

from triggerfish.repair import Task, Unlearning
from triggerfish.repair.repair import agreement, with_model
from triggerfish.search.pictures import pictures
from triggerfish.zoo.data.datasets import load_dataset

SHORT = Unlearning(rounds=4, at_least=4, pictures=1000, pushed=300)
TEST = load_dataset("mnist", "test")
IMAGES, LABELS = TEST.images[:1000], TEST.labels[:1000]


def floats(images: torch.Tensor) -> torch.Tensor:
    return images.float() / 255 if images.dtype == torch.uint8 else images


def accuracy(model) -> float:
    return float((called(model, floats(IMAGES)) == LABELS).double().mean())


def called(model, images: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return model.logits(images).argmax(1)


def success(model) -> float:
    """Of the true trigger, a white 2x2 corner, on test images of other classes."""
    stamped = floats(IMAGES[LABELS != TARGET]).clone()
    stamped[..., :2, :2] = 1.0
    return float((called(model, stamped) == TARGET).double().mean())


def repaired(original):
    return with_model(original, SHORT(original, Task((TARGET,)), seed=1))


def test_a_backdoor_is_unlearned_and_the_rest_is_kept():
    original = classifier(backdoored=True)
    assert success(original) > 0.9
    fixed = repaired(original)
    assert success(fixed) < 0.2
    assert accuracy(fixed) > accuracy(original) - 0.03
    assert list(fixed.model.state_dict()) == list(original.model.state_dict())
    assert success(original) > 0.9


def test_a_clean_network_is_hardly_changed():
    original = classifier(backdoored=False)
    fixed = repaired(original)
    assert accuracy(fixed) > accuracy(original) - 0.02
    assert agreement(original, fixed, pictures(300, (1, 28, 28), 9)) > 0.8


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"rounds": 2}, "at_least"), ({"weakest": 2.0}, "weakest"), ({"ridge": 0.0}, "ridge")],
)
def test_settings_out_of_range_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(Unlearning(), **wrong)
