"""What a pickled module says of its layers, held against a network that its weights fill.

A pickled module has its layers' settings beside their weights: stride, padding and pooling are then
facts, where names and shapes leave them open.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from torch import nn

from triggerfish.loading.contents import ModuleFacts

_COMPARED = ("stride", "padding", "dilation", "groups", "eps")
_POOLS = ("MaxPool2d", "AvgPool2d")


def contradicts(network: nn.Module, facts: Mapping[str, ModuleFacts]) -> bool:
    """Whether a network has a layer, by its name, with other settings than the pickled one.

    Pooling layers, which have no weights and no common names, are compared by kind and window,
    where the pickled module has some.
    """
    if not facts:
        return False
    for name, module in network.named_modules():
        said = _said_of(name, facts)
        if said is None or _kind(said) != type(module).__name__.lstrip("_"):
            continue
        if any(_differs(getattr(module, key, None), said.settings.get(key)) for key in _COMPARED):
            return True
    return _pools_differ(network, facts)


def _said_of(name: str, facts: Mapping[str, ModuleFacts]) -> ModuleFacts | None:
    """The facts on a layer, whose name may have lost what wrappers put before it."""
    if name in facts:
        return facts[name]
    longer = [found for key, found in facts.items() if name and key.endswith(f".{name}")]
    return longer[0] if len(longer) == 1 else None


def _kind(said: ModuleFacts) -> str:
    """The class of a layer of PyTorch's own; empty for an author's."""
    return said.kind.rpartition(".")[2] if said.kind.startswith("torch.nn.") else ""


def _differs(mine: object, said: object) -> bool:
    if mine is None or said is None or isinstance(said, str) or isinstance(mine, str):
        return False
    return _pair(mine) != _pair(said)


def _pair(value: object) -> tuple[object, ...]:
    """A size of a window as two numbers: ``2`` is ``(2, 2)``."""
    return tuple(value) if isinstance(value, (tuple, list)) else (value, value)


def _pools_differ(network: nn.Module, facts: Mapping[str, ModuleFacts]) -> bool:
    said = {
        (_kind(fact), _pair(fact.settings.get("kernel_size")), _pair(fact.settings.get("stride")))
        for fact in facts.values()
        if _kind(fact) in _POOLS
    }
    if not said:
        return False
    mine: Counter[tuple[object, ...]] = Counter()
    for step in (*network.modules(), *getattr(network, "_steps", ())):
        if isinstance(step, (nn.MaxPool2d, nn.AvgPool2d)):
            mine[(type(step).__name__, _pair(step.kernel_size), _pair(step.stride))] += 1
    return bool(mine) and not set(mine) <= said
