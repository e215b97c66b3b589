"""Every entry has the names and shapes of the original, as written down from it."""

import gzip
import json
import re
from collections import Counter
from pathlib import Path

import pytest
import torch

from triggerfish.architectures import ARCHITECTURES
from triggerfish.architectures.architecture import COUNTER

# Made by running the original definitions: name -> key -> shape, without counters of batch norms.
EXPECTED = json.loads(
    gzip.decompress((Path(__file__).parent / "data/state_dicts.json.gz").read_bytes())
)


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
    for shape in {task.input_shape for task in entry.tasks}:
        with torch.device("meta"):
            logits = entry(9, shape[0]).eval()(torch.rand(2, *shape))
        assert logits.shape == (2, 9), shape


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_other_numbers_of_classes_and_channels(name: str) -> None:
    entry = ARCHITECTURES[name]
    channels = 4 - entry.input_shape[0]
    tasks = entry.tasks_for(7, channels)
    assert {task.input_shape[0] for task in tasks} == {channels}
    assert {len(task.mean) for task in tasks} <= {1, channels}
    with torch.device("meta"):
        logits = entry(7, channels).eval()(torch.rand(2, *tasks[0].input_shape))
    assert logits.shape == (2, 7)


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
