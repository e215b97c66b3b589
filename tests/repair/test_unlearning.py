import dataclasses

import pytest
import torch
from planted import SHAPE, TARGET, classifier, stamped

from triggerfish.repairs import Task, Unlearning
from triggerfish.repairs.repair import agreement, with_model
from triggerfish.repairs.unlearning import lowered
from triggerfish.search.picture_pool import UNTARGETED
from triggerfish.search.pictures import pictures

SHORT = Unlearning(rounds=3, batch=32, pictures=600, pushed=200)
FRESH = pictures(400, SHAPE, 5)


def success(model) -> float:
    """Of the true trigger, on new pictures."""
    return float((model.logits(stamped(FRESH)).argmax(1) == TARGET).double().mean())


def test_a_backdoor_is_unlearned_and_the_rest_is_kept():
    original = classifier(backdoored=True)
    before = {name: value.clone() for name, value in original.model.state_dict().items()}
    assert success(original) == 1
    fixed = with_model(original, SHORT(original, Task((TARGET,)), seed=1))
    assert success(fixed) < 0.15  # chance is a ninth
    assert agreement(original, fixed, FRESH) > 0.8
    assert list(fixed.model.state_dict()) == list(before)
    for name, value in original.model.state_dict().items():
        assert torch.equal(value, before[name])


def test_what_is_no_shortcut_is_left_alone():
    original = classifier(backdoored=False)
    cheap = {(TARGET, False): 0.1, (TARGET, True): 0.1}  # no perturbation is as small as this
    fixed = SHORT(original, Task((TARGET,), cheap))
    for name, value in original.model.state_dict().items():
        assert torch.allclose(fixed.state_dict()[name], value)


def test_a_change_is_taught_to_speak_against_its_target():
    label = torch.tensor([[3.0, 1.0, 0.0], [3.0, 1.0, 0.0], [3.0, 1.0, 0.0]])
    wanted = lowered(label, torch.tensor([1, 0, UNTARGETED]), 4.0)
    assert wanted.tolist() == [[3.0, -3.0, 0.0], [3.0, 1.0, 0.0], [3.0, 1.0, 0.0]]
    assert label[0, 1] == 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"rounds": 0}, "rounds"),
        ({"weakest": 5.0}, "weakest"),
        ({"ridge": 0.0}, "ridge"),
        ({"against": -1}, "against"),
    ],
)
def test_settings_out_of_range_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(Unlearning(), **wrong)
