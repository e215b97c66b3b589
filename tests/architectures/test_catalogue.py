"""Every entry has the names and shapes of the original, as written down from it."""

import gzip
import json
import re
from collections import Counter
from pathlib import Path

import pytest
import torch

from triggerfish.architectures import ARCHITECTURES, Architecture
from triggerfish.architectures.architecture import COUNTER

# Made by running the original definitions: name -> key -> shape, without counters of batch norms.
EXPECTED = json.loads(
    gzip.decompress((Path(__file__).parent / "data/state_dicts.json.gz").read_bytes())
)


def logits(entry: Architecture, classes: int, shape: tuple[int, int, int]) -> torch.Tensor:
    """Of one image; the weights are whatever was in memory, which spares initialising them."""
    with torch.device("meta"):
        network = entry(classes, shape[0]).eval()
    with torch.no_grad():
        return network.to_empty(device="cpu")(torch.rand(1, *shape))


def test_every_entry_is_written_down() -> None:
    assert set(EXPECTED) == set(ARCHITECTURES)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_names_and_shapes_are_the_original_ones(name: str) -> None:
    entry = ARCHITECTURES[name]
    shapes = entry.shapes(entry.tasks[0].num_classes, entry.input_shape[0])
    assert shapes == {key: tuple(shape) for key, shape in EXPECTED[name].items()}
    assert len(shapes) == entry.tensors
    assert f"{entry.first}.weight" in shapes
    assert shapes[f"{entry.last}.weight"][0] == entry.tasks[0].num_classes


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_images_of_the_usual_tasks_become_one_logit_a_class(name: str) -> None:
    entry = ARCHITECTURES[name]
    shapes = {task.input_shape for task in entry.tasks}
    for shape in {shape for shape in shapes if shape[1] <= 64} or shapes:  # large ones are slow
        assert logits(entry, 9, shape).shape == (1, 9)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_other_numbers_of_classes_and_channels(name: str) -> None:
    entry = ARCHITECTURES[name]
    channels = 4 - entry.input_shape[0]
    tasks = entry.tasks_for(7, channels)
    assert {task.input_shape[0] for task in tasks} == {channels}
    assert {len(task.mean) for task in tasks} <= {1, channels}
    assert logits(entry, 7, min(task.input_shape for task in tasks)).shape == (1, 7)


def test_tasks_of_the_same_size_come_before_others() -> None:
    entry = ARCHITECTURES["torchvision_resnet18"]
    assert [task.name for task in entry.tasks_for(1000, 3)] == ["ImageNet"]
    assert [task.name for task in entry.tasks_for(43, 1)] == ["GTSRB"]
    assert entry.tasks_for(7, 3) == entry.tasks
    (grey,) = entry.tasks_for(100, 1)
    assert grey.input_shape == (1, 32, 32)
    assert grey.mean == pytest.approx(((0.5071 + 0.4865 + 0.4409) / 3,))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_an_entry_says_where_it_comes_from(name: str) -> None:
    entry = ARCHITECTURES[name]
    assert entry.name == name
    assert re.fullmatch(r"[a-z0-9_]+", name)
    assert entry.summary
    assert entry.source
    assert all(min(task.std) > 0 for task in entry.tasks)


def test_names_are_unique() -> None:
    from triggerfish.architectures import _FAMILIES

    counts = Counter(entry.name for family in _FAMILIES for entry in family.ENTRIES)
    assert max(counts.values()) == 1


def test_skeletons_leave_the_random_state_alone() -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    ARCHITECTURES["pytorch_tutorial_cnn"].shapes(11, 3)
    assert torch.equal(torch.rand(3), expected)


def test_shapes_leave_out_the_counters() -> None:
    network = ARCHITECTURES["akamaster_resnet20"]()
    keys = {key for key in network.state_dict() if not key.endswith(COUNTER)}
    assert keys == set(ARCHITECTURES["akamaster_resnet20"].shapes(10, 3))
