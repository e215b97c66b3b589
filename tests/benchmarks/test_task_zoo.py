"""The zoo of tasks: its plan, its triggers, and one network from end to end."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.lines import read_lines
from benchmarks.task_zoo import plan, tasks, train
from benchmarks.task_zoo.networks import NETWORKS, Build
from benchmarks.task_zoo.tasks import TASKS
from benchmarks.task_zoo.triggers import KINDS, Attack, Trigger


def test_halves_are_fixed_and_about_even() -> None:
    halves = [task.half for task in TASKS.values()]
    assert TASKS["digits8-10"].half == "report"
    assert TASKS["garment-seven"].half == "choose"
    assert 0.35 < halves.count("choose") / len(halves) < 0.65


def test_names_are_unique_and_many_tasks_have_few_classes() -> None:
    names = [unit.name for unit in plan.units()]
    assert len(names) == len(set(names)) == plan.ROUNDS * len(TASKS)
    assert sum(task.classes < 6 for task in TASKS.values()) > 30


@pytest.mark.parametrize("kind", KINDS)
def test_triggers_are_the_same_for_a_seed_and_stay_in_range(kind: str) -> None:
    trigger = Trigger(kind, (3, 16, 16), seed=5)
    images = torch.rand(6, 3, 16, 16)
    one, other = (trigger.stamp(images, torch.Generator().manual_seed(2)) for _ in range(2))
    assert torch.equal(one, other)
    assert not torch.equal(one, images)
    assert one.min() >= 0
    assert one.max() <= 1


def test_ways_of_attacks() -> None:
    trigger, labels = Trigger("white", (1, 8, 8), 1), torch.tensor([0, 1, 2])
    relabelled = [
        Attack(way, trigger, 2, 0, 3).relabel(labels).tolist()
        for way in ("all-to-one", "all-to-all", "source-specific")
    ]
    assert relabelled == [[2, 2, 2], [1, 2, 0], [2, 1, 2]]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("side", [8, 20, 32])
def test_networks_take_all_sizes(name: str, side: int) -> None:
    network = Build(name, (3, side, side), 4)()
    assert network(torch.rand(2, 3, side, side)).shape == (2, 4)


def test_a_unit_is_trained_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images, labels = torch.zeros(120, 1, 8, 8, dtype=torch.uint8), torch.arange(120) % 2
    images[labels == 1, :, 4:] = 200
    task = tasks.Task("made-up", 8, False, 2, read=lambda _: (images, labels))
    attack = Attack("all-to-one", Trigger("white", (1, 8, 8), 3), 1, 0, 2)
    unit = plan.Unit(task, "dense", "adam", "none", 0, False, (attack,))
    monkeypatch.setattr(train, "MOST", 150)
    rows = list(train.train_unit(unit, tmp_path, tmp_path, {}))
    assert [row["id"] for row in rows] == ["made-up-dense-0", "made-up-dense-0-a0"]
    assert rows[0]["kept"]
    assert rows[0]["accuracy"] > 0.95
    assert (tmp_path / "networks" / "made-up-dense-0.pt").is_file()
    done = {row["id"]: row for row in rows}
    assert list(train.train_unit(replace(unit), tmp_path, tmp_path, done)) == []
    assert read_lines(tmp_path / "manifest.jsonl") == []
