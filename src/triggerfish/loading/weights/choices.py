"""A state dict -> every network that has its keys and shapes: catalogue entries and plain chains.

Keys and shapes do not decide padding, pooling, strides, activations or the image size, so several
may fit that are different functions. None is taken for granted here.
"""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from triggerfish.architectures import ARCHITECTURES, Fit, fits
from triggerfish.architectures.tasks import Shape, Task
from triggerfish.errors import UnsupportedModelError
from triggerfish.loading.contents import ModuleFacts, Part
from triggerfish.loading.hints import Hints
from triggerfish.loading.weights.chain_choices import chain_choices
from triggerfish.loading.weights.chain_text import PREFIX, build_chain
from triggerfish.loading.weights.matching import build, fill
from triggerfish.loading.weights.own_head import headed
from triggerfish.loading.weights.state_dict import StateDict, strip_prefixes

MAX_ODDNESS = 1
"""Chains with more unusual choices are only drafted (benchmarks/opening.py: the right chain of 41
of 41 networks of strangers has at most 1)."""
MAX_NETWORKS = 24
_OTHERS = {
    re.compile(r"\.lora_[AB]\."): "expected the weights of a whole network, got LoRA's changes to "
    "another one: merge them into it (PEFT's merge_and_unload), save that, and scan it",
    re.compile(
        r"(^|[._])(rpn|roi_heads?|anchors?|(bbox|box)_?head)\.", re.IGNORECASE
    ): "expected the "
    "weights of a classifier, got some that are named as a detector's: only classifiers are "
    "scanned. If it is one all the same, pass --arch",
}
"""By the names of weights, what fills no network here and leads nowhere by a draft."""
_OR_RUN = ", or run the file's own code in a process without network: --unsafe-pickle"
_SAME = 1e-4  # relative difference of logits, below which two networks are one function


@dataclass(frozen=True)
class NetworkChoice:
    """A network that is filled with the weights, and what it is usually fed.

    ``name`` is what ``--arch`` takes, ``builtin`` whether it is in the catalogue. ``input_shapes``
    and ``tasks`` are usual ones, the likeliest first; both may be empty. ``oddness`` counts the
    unusual choices in it, ``rank`` is its place among the catalogue's that fit. ``skippable`` are
    layers of a chain that a connection may go around for all that names and shapes tell.
    """

    name: str
    network: nn.Module
    hints: Hints
    input_shapes: tuple[Shape, ...] = ()
    tasks: tuple[Task, ...] = ()
    builtin: bool = False
    oddness: int = 0
    rank: int = 0
    skippable: tuple[str, ...] = ()


def network_choices(part: Part, said: Hints, path: str) -> tuple[NetworkChoice, ...]:
    """All networks that fit and are different functions; the catalogue's first.

    Those that a pickled module's own layers contradict are left out. Raises
    `UnsupportedModelError` when none fits, naming the command that drafts one for ``path``.
    """
    state, found = part.state, list[NetworkChoice]()
    for choice in (*_known(state, said), *_headed(state, said), *_chains(state, said)):
        if contradicts(choice.network, part.modules):
            continue
        if len(found) < MAX_NETWORKS and not _is_among(choice, found):
            found.append(choice)
    if found:
        return tuple(found)
    keys = list(state)
    for named, problem in _OTHERS.items():
        if any(named.search(key) for key in keys):
            raise UnsupportedModelError(problem)
    raise UnsupportedModelError(
        f"no network of the catalogue and no plain chain has these {len(keys)} weights "
        f"({', '.join(keys[:4])}{', ...' if len(keys) > 4 else ''}): "
        f"pass --arch, or draft its definition: triggerfish arch init {shlex.quote(path)}"
        f"{_OR_RUN if part.modules else ''}"
    )


def _known(state: StateDict, said: Hints) -> Iterator[NetworkChoice]:
    for variant in strip_prefixes(state):
        shapes = {key: tuple(value.shape) for key, value in variant.items()}
        found = fits(shapes, ARCHITECTURES.values())
        usual = [fit for fit in found if not _is_adapted(fit)] or found
        for rank, fit in enumerate(usual):
            name = fit.architecture.name
            if said.num_classes not in (None, max(2, fit.num_classes)):
                continue
            network = fill(build(fit.build), variant, name)
            hints = Hints("its keys and shapes", architecture=name, assumed=True)
            yield NetworkChoice(
                name, network, hints, _shapes(fit.tasks), fit.tasks, builtin=True, rank=rank
            )


def _headed(state: StateDict, said: Hints) -> Iterator[NetworkChoice]:
    """The catalogue's networks with linear layers of somebody's own at the end."""
    for variant in strip_prefixes(state):
        for rank, found in enumerate(headed(variant)):
            if said.num_classes not in (None, max(2, found.num_classes)):
                continue
            network = fill(found.network, variant, found.name)
            hints = Hints("its keys and shapes", architecture=found.name, assumed=True)
            shapes = _shapes(found.tasks)
            yield NetworkChoice(found.name, network, hints, shapes, found.tasks, rank=rank)


def _is_adapted(fit: Fit) -> bool:
    """Whether this network is usually for other images: left out where another is for these."""
    return not set(fit.tasks) & set(fit.architecture.tasks)


def _chains(state: StateDict, said: Hints) -> Iterator[NetworkChoice]:
    for chain in chain_choices(state):
        if chain.oddness > MAX_ODDNESS:
            return
        if said.input_shape not in (None, chain.input_shape):
            continue
        name = PREFIX + chain.text
        network = fill(build(partial(build_chain, chain.text, state)), state, name)
        hints = Hints("order and shapes of its weights", architecture=name, assumed=True)
        yield NetworkChoice(
            name, network, hints, (chain.input_shape,),
            oddness=chain.oddness, skippable=chain.skippable,
        )  # fmt: skip


def _shapes(tasks: Iterable[Task]) -> tuple[Shape, ...]:
    return tuple(dict.fromkeys(task.input_shape for task in tasks))


def _is_among(choice: NetworkChoice, others: Iterable[NetworkChoice]) -> bool:
    return any(_same(choice, other) for other in others)


def _same(one: NetworkChoice, other: NetworkChoice) -> bool:
    """Whether both are the same function of images of the first's usual shape."""
    if one.input_shapes[0] not in other.input_shapes:
        return False
    images = torch.randn(4, *one.input_shapes[0], generator=torch.Generator().manual_seed(0))
    answers = [_answer(choice.network, images) for choice in (one, other)]
    first, second = answers
    if first is None or second is None or first.shape != second.shape:
        return False
    return float((first - second).abs().max()) <= _SAME * float(first.abs().max())


def _answer(network: nn.Module, images: Tensor) -> Tensor | None:
    with torch.no_grad():
        try:
            answer = network.eval()(images)
        except RuntimeError:
            return None
    return answer if isinstance(answer, Tensor) else None


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
