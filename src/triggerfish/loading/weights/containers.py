"""What a pickled file holds -> every state dict in it, however deep, with the way that leads there.

No list of names decides: each mapping of names to tensors is one, so is each pickled module, and
so are layers in dictionaries of their own (``{"conv1": {"weight": ...}}``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from torch import nn

from triggerfish.errors import CheckpointError
from triggerfish.loading.contents import Aside, ModuleFacts, Part, joined
from triggerfish.loading.guards.pickle_data import Leaf, StoredTensor, is_leaf
from triggerfish.loading.guards.pickle_machine import Record
from triggerfish.loading.weights.pickled_network import network_of
from triggerfish.loading.weights.state_dict import BUFFERS, as_state_dict, describe, no_state_dict

MAX_DEPTH = 12
MAX_CONTAINERS = 1_000_000
MAX_TENSORS = 50_000
_OPTIMIZER = "param_groups"
_LONGEST_KEY = 200
_PACKED = "_packed_params._packed_params"
_SETTINGS = ("stride", "padding", "dilation", "groups", "kernel_size", "eps", "negative_slope")
Leaves = dict[str, Leaf]


@dataclass
class _Found:
    """What the walk has met so far."""

    holdings: list[_Holding] = field(default_factory=list)
    rows: list[tuple[str, list[Leaf]]] = field(default_factory=list)  # tensors without names
    asides: list[Aside] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class _Holding:
    """Names and stored tensors under one key; ``problem`` is why they cannot all be read."""

    key: str
    leaves: Leaves
    modules: Mapping[str, ModuleFacts] = field(default_factory=dict)
    network: nn.Module | None = None
    problem: str | None = None

    @property
    def has_layers(self) -> bool:
        """Whether any of the tensors may be a layer's: a matrix or a kernel."""
        return self.problem is not None or any(
            len(_shape(leaf)) >= 2 for leaf in self.leaves.values()
        )


def parts_of(data: object) -> tuple[tuple[Part, ...], tuple[Aside, ...]]:
    """All state dicts in what a file holds, in its order, and what else there is.

    Raises `CheckpointError` where there is none that can be read.
    """
    found = _Found()
    for key, value in _walk(data, found):
        _take(key, value, found)
    holdings = [holding for holding in found.holdings if holding.has_layers] or found.holdings[:1]
    parts, problems = list[Part](), list[CheckpointError]()
    for holding in holdings:
        try:
            if holding.problem is not None:
                raise CheckpointError(holding.problem)
            state = as_state_dict({key: leaf.tensor() for key, leaf in holding.leaves.items()})
            parts.append(Part(holding.key, state, holding.modules, holding.network))
        except CheckpointError as error:
            problems.append(error)
            found.asides.append(Aside(holding.key, str(error), network=True))
    if not parts:
        what = f"an object of {data.name}" if isinstance(data, Record) else describe(data)
        raise problems[0] if problems else no_state_dict(what[:_LONGEST_KEY])
    for key, row in found.rows:
        _name_row(key, row, parts, found)
    return tuple(parts), tuple(found.asides)


def _name_row(key: str, row: list[Leaf], parts: list[Part], found: _Found) -> None:
    """Weights in a list, as averages are kept, are those of a network with such weights in order.

    What fits none is left aside; it may be a network where biases follow their weights.
    """
    shapes = [_shape(leaf) for leaf in row]
    for part in parts:
        own = {k: v for k, v in part.state.items() if not k.endswith(BUFFERS)}
        if [tuple(value.shape) for value in own.values()] == shapes:
            values = dict(zip(own, (leaf.tensor() for leaf in row), strict=True))
            try:
                parts.append(Part(key, {**part.state, **as_state_dict(values)}, part.modules))
            except CheckpointError as error:
                found.asides.append(Aside(key, str(error), network=True))
            return
    biased = sum(len(first) >= 2 and second == first[:1] for first, second in pairwise(shapes))
    why = f"a list of {len(row)} tensors without names"
    found.asides.append(Aside(key, why, network=biased > 1))


def _walk(data: object, found: _Found) -> Iterator[tuple[str, object]]:
    """Every container, the outer ones first, each once, with its key."""
    waiting: deque[tuple[str, object, int]] = deque([("", data, 0)])
    while waiting:
        key, value, depth = waiting.popleft()
        if not isinstance(value, (dict, list, tuple, Record)) or id(value) in found.seen:
            continue
        if len(found.seen) >= MAX_CONTAINERS:
            raise CheckpointError(
                f"the file has more than {MAX_CONTAINERS} containers of weights: "
                "save the state dict alone"
            )
        if depth > MAX_DEPTH:
            why = f"containers more than {MAX_DEPTH} deep were not looked at"
            found.asides.append(Aside(key[:_LONGEST_KEY], why, network=True))
            continue
        found.seen.add(id(value))  # an object may hold itself
        yield key, value
        waiting += [(joined(key, name), item, depth + 1) for name, item in _inside(value)]


def _inside(value: object) -> Iterator[tuple[str, object]]:
    """What a container holds that may be a container itself, by names."""
    if isinstance(value, Record):
        module = _is_module(value)
        for name, item in value.attributes.items():
            if not (module and name in ("_modules", "_parameters", "_buffers")):
                yield str(name), item
        yield from ((str(name), item) for name, item in value.entries.items())
        yield from ((str(i), item) for i, item in enumerate((*value.items, *value.arguments)))
    elif isinstance(value, dict):
        if _OPTIMIZER not in value and _tree(value) is None:
            yield from ((str(name), item) for name, item in value.items())
    elif isinstance(value, (list, tuple)):
        yield from ((str(i), item) for i, item in enumerate(value))


def _take(key: str, value: object, found: _Found) -> None:
    """Take note of the tensors that a container holds by name."""
    if isinstance(value, Record):
        if _is_module(value):
            leaves, modules = Leaves(), dict[str, ModuleFacts]()
            _module(value, "", leaves, modules, 0)
            network = network_of(value)
            found.holdings += [_Holding(key, leaves, modules, network)] if leaves else []
        elif value.entries:
            _take(key, value.entries, found)
        return
    if isinstance(value, (list, tuple)):
        if leaves := _pairs(value):
            found.holdings.append(_Holding(key, leaves))
        row: list[Leaf] = [item for item in value if is_leaf(item)]
        if sum(len(_shape(leaf)) >= 2 for leaf in row) > 1:
            found.rows.append((key, row))
        return
    if not isinstance(value, dict):
        return
    if _OPTIMIZER in value:
        found.asides.append(Aside(key, "the state of an optimizer"))
        return
    tree = _tree(value)
    leaves, problem = (tree, None) if tree else _named(value)
    if leaves or problem:
        found.holdings.append(_Holding(key, leaves, problem=problem))


def _pairs(value: Sequence[object]) -> Leaves:
    """The stored tensors of a list of names and tensors, as ``named_parameters`` gives them."""
    leaves = Leaves()
    for item in value:
        if not isinstance(item, (list, tuple)) or len(item) != 2:
            return Leaves()
        name, leaf = item
        if not isinstance(name, str) or not is_leaf(leaf):
            return Leaves()
        leaves[name] = leaf
    return leaves


def _named(value: Mapping[object, object]) -> tuple[Leaves, str | None]:
    """The stored tensors of a dictionary by their names; packed ones of quantized layers apart.

    Beside them, why they are not read where one is of a kind that is not.
    """
    leaves, problem = Leaves(), None
    for name, item in value.items():
        if isinstance(item, Record) and item.name.startswith("torch._utils._rebuild_"):
            kind = item.name.rpartition("_rebuild_")[2]
            problem = problem or (
                f"expected dense tensors, got a {kind} for {str(name)[:80]}: save it densely"
            )
        elif not isinstance(name, str):
            continue
        elif is_leaf(item):
            leaves[name] = item  # type: ignore[assignment]
        elif name.endswith(_PACKED) and isinstance(item, tuple):
            layer = name.removesuffix(_PACKED)
            packed = zip((f"{layer}weight", f"{layer}bias"), item, strict=False)
            leaves |= {key: leaf for key, leaf in packed if is_leaf(leaf)}
    return leaves, problem


def _tree(value: object, depth: int = 0) -> Leaves | None:
    """Layers in dictionaries of their own as one state dict; None for anything else."""
    if not isinstance(value, dict) or not value or depth > MAX_DEPTH:
        return None
    if not any(isinstance(item, dict) for item in value.values()):
        return None
    leaves = Leaves()
    for name, item in value.items():
        if not isinstance(name, str):
            return None
        if item is None or isinstance(item, (int, float, str)):
            continue
        inner = {"": item} if is_leaf(item) else _layer(item) or _tree(item, depth + 1)
        if inner is None:
            return None
        leaves |= {joined(name, key): leaf for key, leaf in inner.items()}
    return leaves


def _layer(value: object) -> Leaves | None:
    """The tensors of one layer: short names, and one matrix or kernel at most."""
    if not isinstance(value, dict) or not value:
        return None
    if not all(isinstance(k, str) and "." not in k and is_leaf(v) for k, v in value.items()):
        return None
    return dict(value) if sum(len(_shape(leaf)) >= 2 for leaf in value.values()) <= 1 else None


def _is_module(value: Record) -> bool:
    return all(isinstance(value.attributes.get(k), dict) for k in ("_modules", "_parameters"))


def _module(
    value: Record, name: str, leaves: Leaves, modules: dict[str, ModuleFacts], depth: int
) -> None:
    """The state dict of a pickled module, by the rules of ``nn.Module.state_dict``."""
    if depth > MAX_DEPTH * 2 or len(leaves) > MAX_TENSORS or len(modules) > MAX_TENSORS:
        raise CheckpointError("expected a module of some layers, got deeper or more of them")
    held = value.attributes
    settings = {k: held[k] for k in _SETTINGS if isinstance(held.get(k), (int, float, tuple, str))}
    modules[name] = ModuleFacts(value.name, settings)
    passing = held.get("_non_persistent_buffers_set") or ()
    for kind in ("_parameters", "_buffers"):
        inner = held.get(kind)
        for key, leaf in (inner if isinstance(inner, dict) else {}).items():
            if is_leaf(leaf) and not (kind == "_buffers" and key in passing):  # type: ignore[operator]
                leaves[joined(name, str(key))] = leaf
    for key, child in held["_modules"].items():  # type: ignore[attr-defined]
        if isinstance(child, Record) and _is_module(child):
            _module(child, joined(name, str(key)), leaves, modules, depth + 1)


def _shape(leaf: object) -> tuple[object, ...]:
    shape = leaf.size if isinstance(leaf, StoredTensor) else getattr(leaf, "shape", ())
    return tuple(shape) if isinstance(shape, (tuple, list)) else ()
