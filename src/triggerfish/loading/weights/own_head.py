"""A catalogue network whose last layer somebody has replaced by linear layers of their own.

Transfer learning does so: ``model.fc = nn.Sequential(nn.Dropout(), nn.Linear(512, 256), nn.ReLU(),
nn.Linear(256, 10))``. The numbers of the layers tell how many without weights are between two:
none, one (an activation or dropout, and both are tried) or more (an activation among them).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from torch import nn

from triggerfish.architectures import ARCHITECTURES, Architecture, fits
from triggerfish.architectures.tasks import Task
from triggerfish.errors import UnsupportedModelError
from triggerfish.loading.weights.matching import build
from triggerfish.loading.weights.state_dict import StateDict

MARK = "+"
"""Between the name of a catalogue network and what is between the layers of its head."""
BETWEEN: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "linear": nn.Identity}


@dataclass(frozen=True)
class Headed:
    """A catalogue network with a head of its own: ``name`` is what ``--arch`` takes.

    ``tasks`` are those of a network that was trained before: ImageNet's, for most.
    """

    name: str
    network: nn.Module
    num_classes: int
    tasks: tuple[Task, ...]


def headed(state: StateDict, name: str | None = None) -> Iterator[Headed]:
    """Networks of the catalogue that ``state`` fills but for the head; only ``name`` if given."""
    wanted, _, between = (name or "").partition(MARK)
    for architecture in ARCHITECTURES.values():
        if wanted not in ("", architecture.name):
            continue
        root = _root(architecture, state)
        numbers = [] if root is None else _numbers(root, state)
        if root is None or not numbers or _is_usual(architecture, root, numbers):
            continue
        for fit in fits(_with_usual_head(architecture, root, numbers, state), [architecture]):
            hidden = {after - before - 1 for before, after in pairwise(numbers)}
            tasks = (architecture.tasks[0].with_channels(fit.channels),)
            for kind in list(BETWEEN) if 1 in hidden else ["relu"]:
                if between in ("", kind):
                    network = build(fit.build)
                    _replace(network, root, _head(root, numbers, state, BETWEEN[kind]))
                    name = f"{architecture.name}{MARK}{kind}"
                    yield Headed(name, network, fit.num_classes, tasks)


def headed_network(name: str, state: StateDict) -> nn.Module:
    """The network that ``--arch`` names so.

    Raises `UnsupportedModelError` where the weights do not fit.
    """
    found = next(headed(state, name), None)
    if found is None:
        raise UnsupportedModelError(
            f"the weights are not those of {name.partition(MARK)[0]} with linear layers of its own "
            "at the end. Pass the right --arch"
        )
    return found.network


def _root(architecture: Architecture, state: StateDict) -> str | None:
    """Where the head is: in place of the last layer, or of the sequence that holds it alone."""
    parent, _, number = architecture.last.rpartition(".")
    for root in (architecture.last, parent if number.isdecimal() else ""):
        pattern = re.compile(rf"{re.escape(root)}\.\d+\.(weight|bias)")
        inside = [key for key in state if root and key.startswith(f"{root}.")]
        if inside and all(pattern.fullmatch(key) for key in inside):
            return root
    return None


def _numbers(root: str, state: StateDict) -> list[int]:
    """The numbers of a head's linear layers; empty where it has others, or they do not follow."""
    places = sorted({int(k[len(root) + 1 :].split(".")[0]) for k in state if k.startswith(root)})
    weights = [state.get(f"{root}.{place}.weight") for place in places]
    shapes = [tuple(weight.shape) if weight is not None else () for weight in weights]
    follow = all(
        len(one) == len(after) == 2 and one[0] == after[1] for one, after in pairwise(shapes)
    )
    return places if follow and all(len(shape) == 2 for shape in shapes) else []


def _is_usual(architecture: Architecture, root: str, numbers: list[int]) -> bool:
    return [f"{root}.{number}" for number in numbers] == [architecture.last]


def _with_usual_head(
    architecture: Architecture, root: str, numbers: list[int], state: StateDict
) -> dict[str, tuple[int, ...]]:
    """The shapes of the state dict as if one layer did what the head does."""
    shapes = {k: tuple(v.shape) for k, v in state.items() if not k.startswith(f"{root}.")}
    first, last = (state[f"{root}.{number}.weight"] for number in (numbers[0], numbers[-1]))
    shapes[f"{architecture.last}.weight"] = (last.shape[0], first.shape[1])
    shapes[f"{architecture.last}.bias"] = (last.shape[0],)
    return shapes


def _head(root: str, numbers: list[int], state: StateDict, between: type[nn.Module]) -> nn.Module:
    """The head's layers, each at its number, activations between."""
    head = nn.Sequential()
    for place in range(numbers[-1] + 1):
        if place in numbers:
            rows, columns = state[f"{root}.{place}.weight"].shape
            layer: nn.Module = nn.Linear(columns, rows, bias=f"{root}.{place}.bias" in state)
        elif place - 1 in numbers:  # the first after a linear layer; dropout does nothing here
            layer = nn.ReLU() if place + 1 not in numbers else between()
        else:
            layer = nn.Identity()
        head.append(layer)
    return head


def _replace(network: nn.Module, root: str, head: nn.Module) -> None:
    parent, _, name = root.rpartition(".")
    setattr(network.get_submodule(parent), name, head)
