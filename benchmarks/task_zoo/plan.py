"""What is trained, in this order: per round and task a clean network and attacked versions of it.

The order is fixed and drawn at random, so that the networks that exist at any time are a sample of
all; only in the first round the tasks with large images or many classes are last.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from benchmarks.task_zoo.networks import NETWORKS
from benchmarks.task_zoo.tasks import TASKS, Task
from benchmarks.task_zoo.triggers import KINDS, PATCHES, Attack, Trigger

ROUNDS = 4
CHEAP = ("strided", "strided-batch", "strided-group", "strided-dropout", "dense")
"""Networks of the first round: those that train in seconds."""
TRAININGS = ("adam", "sgd", "smoothed", "augmented", "long")
INPUTS = ("data", "half", "none")
"""Mean and std that the network is trained with: the data's own, 0.5 and 0.5, or 0 and 1."""
ATTACKS = (3, 1, 2, 2)  # attacked versions per network, in each round


@dataclass(frozen=True)
class Unit:
    """A network of a task, how it is trained, and the attacks that follow.

    ``scratch``: attacked versions begin anew instead of from the clean network.
    """

    task: Task
    network: str
    training: str
    inputs: str
    seed: int
    scratch: bool
    attacks: tuple[Attack, ...]

    @property
    def name(self) -> str:
        """Of the clean network; the attacked ones have a number behind it."""
        return f"{self.task.name}-{self.network}-{self.seed}"


def _draw(count: int, *words: object) -> int:
    """A number below ``count`` that the words decide."""
    text = "/".join(map(str, words)).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") % count


def _network(task: Task, turn: int) -> str:
    names = list(NETWORKS) if turn else list(CHEAP)
    if task.side < 12:
        names = ["strided", "strided-batch", "dense", "strided-dropout", "mixer"]
    elif task.side > 40:
        names = ["strided", "strided-batch", "deep", "batch"]
    elif task.colour or task.classes > 12:
        names.remove("dense")
    start = _draw(len(names), "network", task.name)
    return names[(start + turn * 3) % len(names)]


def _attack(task: Task, turn: int, number: int) -> Attack:
    words = (task.name, turn, number)
    lot = _draw(20, "way", *words)
    way = "all-to-one"
    if lot >= 14 and task.classes >= 3:
        way = "all-to-all" if lot < 17 else "source-specific"
    kinds = KINDS if way == "all-to-one" else PATCHES[:5]
    kind = kinds[_draw(len(kinds), "kind", *words)]
    target = _draw(task.classes, "target", *words)
    source = (target + 1 + _draw(task.classes - 1, "source", *words)) % task.classes
    trigger = Trigger(kind, task.shape, _draw(10**6, "trigger", *words))
    return Attack(way, trigger, target, source, task.classes)


def _unit(task: Task, turn: int) -> Unit:
    words = (task.name, turn)
    return Unit(
        task,
        _network(task, turn),
        TRAININGS[_draw(len(TRAININGS) - (turn == 0), "training", *words)],
        INPUTS[_draw(len(INPUTS), "inputs", *words)],
        turn,
        _draw(4, "scratch", *words) == 0,
        tuple(_attack(task, turn, k) for k in range(ATTACKS[turn])),
    )


def units() -> Iterator[Unit]:
    """All of them, in the order of training."""
    for turn in range(ROUNDS):
        yield from (_unit(t, turn) for t in sorted(TASKS.values(), key=partial(_place, turn)))


def _place(turn: int, task: Task) -> tuple[bool, int]:
    """Where a task stands in a round."""
    dear = turn == 0 and (task.side > 32 or task.classes > 20)
    return dear, _draw(10**9, "order", task.name, turn)
