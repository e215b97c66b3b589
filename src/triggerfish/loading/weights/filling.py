"""The state dicts of a file -> those that fill a network, each named by its key.

Where a state dict fills none, what belongs to no layer is left out: weights of a loss, counters,
what a metric has counted. Where several networks stand in one, each is read by itself. What fills
nothing is said, and a classifier among it is never taken for scanned.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from triggerfish.errors import UnsupportedModelError
from triggerfish.loading.contents import Aside, ModuleFacts, Part, joined
from triggerfish.loading.hints import Hints
from triggerfish.loading.weights.choices import NetworkChoice
from triggerfish.loading.weights.state_dict import BUFFERS, StateDict, strip_prefixes

MAX_PARTS = 8
"""No more networks of one file are scanned: each costs a whole scan."""
_MAX_NESTING = 3
_NO_MODULE = re.compile(
    r"crit|loss|(^|_)(ce|bce|nll|kl|mse|focal)($|_)|metric|acc|auroc|auc|f1|precision|recall"
    r"|conf(usion_?)?mat|n_averaged|num_updates|decay|queue|ptr|epoch|(^|_)(step|iter)|optim|counter",
    re.IGNORECASE,
)
_PARAMETERS = frozenset({"weight", "bias", "gamma", "beta", "running_mean", "running_var", "alpha"})
_NORMALIZER = {"mean": "std", "new_mean": "new_std"}

Find = Callable[[Part], tuple[NetworkChoice, ...]]


@dataclass(frozen=True)
class Filled:
    """A state dict with the networks that it fills; ``left_out`` are keys of no network.

    ``hints`` is what those say.
    """

    part: Part
    choices: tuple[NetworkChoice, ...]
    left_out: tuple[str, ...] = ()
    hints: Hints | None = None


def fill_parts(
    parts: Sequence[Part], asides: Sequence[Aside], find: Find, wanted: str | None, *, named: bool
) -> tuple[tuple[Filled, ...], tuple[Aside, ...]]:
    """Every state dict that fills a network, in the file's order, and what else there is.

    ``wanted`` is the key of the only one to read, and ``named`` says that the user named the
    network. Raises `UnsupportedModelError` where nothing fills one.
    """
    found, rest, problems = list[Filled](), list(asides), list[UnsupportedModelError]()
    parts = _completed(parts)
    chosen = [part for part in parts if wanted is None or _may_hold(part.key, wanted)]
    seen: list[tuple[str, StateDict]] = []
    for part in chosen:
        plain = _tensors(part.state)
        same = next((key for key, state in seen if _equal(plain, state)), None)
        if same is not None:
            rest.append(Aside(part.key, f"the same weights as {same or 'the first'}"))
            continue
        seen.append((part.key, plain))
        filler = _Filler(find, named, problems)
        filler.fill(part, 0)
        found += filler.filled
        rest += filler.asides
    if wanted is not None:
        matching = [f for f in found if _is_key(f.part.key, wanted)]
        if not matching:
            keys = [f.part.key for f in found] or [part.key for part in parts]
            raise UnsupportedModelError(
                f"the file has no weights at --state-key {wanted!r}: name one of "
                f"{', '.join(map(repr, keys))}"
            )
        others = [p.key for p in parts if not any(p.key == f.part.key for f in matching)]
        return tuple(matching[:1]), tuple(Aside(key, "not asked for") for key in others)
    if not found:
        raise problems[0]
    rest += [
        Aside(f.part.key, f"more than {MAX_PARTS} networks in one file", network=True)
        for f in found[MAX_PARTS:]
    ]
    return tuple(found[:MAX_PARTS]), tuple(rest)


@dataclass
class _Filler:
    """Fills networks with one state dict, or with those inside it."""

    find: Find
    named: bool
    problems: list[UnsupportedModelError]
    filled: list[Filled] = field(default_factory=list)
    asides: list[Aside] = field(default_factory=list)

    def fill(self, part: Part, nesting: int) -> None:
        """Take the state dict as a whole, else without what is no layer's, else apart."""
        for state, left_out, hints in _reduced(part.state, anything=self.named):
            try:
                choices = self.find(replace(part, state=state))
            except UnsupportedModelError as error:
                self.problems.append(error)
                continue
            self.filled.append(Filled(replace(part, state=state), choices, left_out, hints))
            return
        problem, before = self.problems[-1], len(self.filled)
        asides = list(self.asides)
        inner, heads = _networks_inside(part)
        if nesting < _MAX_NESTING:
            for one in _completed(inner):
                self.fill(one, nesting + 1)
        if len(self.filled) == before:
            self.asides = asides
            network = looks_like_classifier(part.state)
            self.asides.append(Aside(part.key, str(problem), network))
            return
        if self._fill_bare(part, inner, before):
            return
        self.asides += [
            Aside(head.key, "layers of no network here", looks_like_classifier(head.state))
            for head in heads
        ]

    def _fill_bare(self, part: Part, inner: Sequence[Part], before: int) -> bool:
        """Take what stands beside networks under names of their own as one network too.

        So are weights whose average lies under ``ema.`` in the same dictionary.
        """
        taken = {one.key for one in inner}
        names = _short(part.state)
        state = {
            name: part.state[key]
            for key, name in names.items()
            if joined(part.key, name.partition(".")[0]) not in taken
        }
        layers = [value for key, value in state.items() if _is_layer(key, value)]
        if len(layers) < 2 or not inner:
            return False
        bare = _Filler(self.find, self.named, self.problems)
        bare.fill(replace(part, state=state), _MAX_NESTING)
        self.filled[before:before] = bare.filled
        return bool(bare.filled)


def looks_like_classifier(state: StateDict) -> bool:
    """Whether tensors may be a classifier's: they have a matrix, or end in a 1x1 convolution."""
    layers = [value for key, value in state.items() if _is_layer(key, value)]
    if any(value.ndim == 2 for value in layers):
        return True
    return bool(layers) and layers[-1].ndim == 4 and layers[-1].shape[2:].numel() == 1


def _equal(one: StateDict, other: StateDict) -> bool:
    return one.keys() == other.keys() and all(torch.equal(v, other[k]) for k, v in one.items())


def _completed(parts: Sequence[Part]) -> list[Part]:
    """State dicts of averages, completed from the networks that they are averages of.

    Many trainers average the parameters alone, so that running statistics are missing, and some
    leave the dots out of the names (``model_ema.conv1weight``).
    """
    return [
        replace(part, state=_as_another(part.state, [p.state for p in parts[:MAX_PARTS]]))
        for part in parts
    ]


def _as_another(state: StateDict, others: Sequence[StateDict]) -> StateDict:
    """A state dict under the names of another that has the same parameters, with its buffers."""
    plain = _tensors(state)
    if not any(value.ndim >= 2 for value in plain.values()):
        return state
    for other in others:
        whole = strip_prefixes(other)[-1]
        names = {key.replace(".", ""): key for key in whole} | {key: key for key in whole}
        found = {names.get(key, ""): value for key, value in plain.items()}
        buffers = {key for key in whole if key.endswith(BUFFERS)}
        # Numbers are counters, such as how many batches a norm has seen.
        counters = {key for key, value in whole.items() if not value.ndim}
        lacks_nothing = plain.keys() | counters == whole.keys()
        if lacks_nothing or found.keys() | buffers != whole.keys():
            continue
        if all(value.shape == whole[key].shape for key, value in found.items()):
            return {**whole, **found}
    return state


def _tensors(state: StateDict) -> StateDict:
    """A state dict under its shortest names, without counters."""
    return {key: value for key, value in strip_prefixes(state)[-1].items() if value.ndim}


def _may_hold(key: str, wanted: str) -> bool:
    return _is_key(key, wanted) or not key or wanted.startswith(f"{key}.") or key in wanted


def _is_key(key: str, wanted: str) -> bool:
    return key == wanted or key.endswith(f".{wanted}")


def _is_layer(key: str, value: Tensor) -> bool:
    """Whether a tensor is a layer's matrix or kernel."""
    last = key.rpartition(".")[2]
    return value.ndim >= 2 and value.is_floating_point() and "weight" in last


def _groups(names: dict[str, str]) -> dict[str, list[str]]:
    """Keys by the first part of their shorter names."""
    groups: dict[str, list[str]] = {}
    for key, name in names.items():
        groups.setdefault(name.partition(".")[0], []).append(key)
    return groups


def _short(state: StateDict) -> dict[str, str]:
    """Keys, and the shortest names that all of them allow."""
    return dict(zip(state, strip_prefixes(state)[-1], strict=True))


def _reduced(
    state: StateDict, *, anything: bool
) -> Iterator[tuple[StateDict, tuple[str, ...], Hints | None]]:
    """The state dict; then without what is no layer's, as long as there is something such."""
    yield state, (), None
    left_out: list[str] = []
    hints: Hints | None = None
    for _ in range(_MAX_NESTING):
        names = _short(state)
        classes = _rows_of_last(state)
        groups = _groups(names)
        extra: list[str] = []
        for group, keys in groups.items():
            tensors = {names[key]: state[key] for key in keys}
            said = _normalizer(tensors)
            if said is not None:
                hints = said
            if said is not None or _is_extra(group, tensors, classes, anything):
                extra += keys
        if not extra or len(extra) == len(state):
            return
        left_out += extra
        state = {key: value for key, value in state.items() if key not in set(extra)}
        yield state, tuple(left_out), hints


def _rows_of_last(state: StateDict) -> int:
    layers = [value for key, value in state.items() if _is_layer(key, value)]
    return int(layers[-1].shape[0]) if layers else 0


def _is_extra(group: str, tensors: StateDict, classes: int, anything: bool) -> bool:
    """Whether tensors under one name belong to no layer of a network.

    A norm's or an activation's own parameters do, so names decide where shapes leave it open.
    """
    if any(_is_layer(key, value) for key, value in tensors.items()):
        return False
    if anything or _NO_MODULE.search(group):
        return True
    return all(
        (not value.is_floating_point() and key.rpartition(".")[2] not in _PARAMETERS)
        or ("." in key and key.rpartition(".")[2] not in _PARAMETERS and _counts(value, classes))
        for key, value in tensors.items()
    )


def _counts(value: Tensor, classes: int) -> bool:
    """Whether a tensor has the shape of what a metric counts: per class, or per pair of them."""
    return all(size == classes for size in value.shape) and value.ndim <= 2


def _normalizer(tensors: StateDict) -> Hints | None:
    """Mean and standard deviation of a normalizing module before the network."""
    values = {key.rpartition(".")[2]: value for key, value in tensors.items()}
    for mean, std in _NORMALIZER.items():
        if set(values) == {mean, std} and all(v.numel() in (1, 3) for v in values.values()):
            shift, scale = (values[name].flatten().tolist() for name in (mean, std))
            if min(scale) > 0:
                return Hints(
                    "a normalization in the file", mean=tuple(shift), std=tuple(scale), assumed=True
                )
    return None


def _networks_inside(part: Part) -> tuple[list[Part], list[Part]]:
    """The state dicts under different first names in one that may be networks, and other layers."""
    names = _short(part.state)
    groups = {
        group: {names[key].partition(".")[2] or names[key]: part.state[key] for key in keys}
        for group, keys in _groups(names).items()
    }
    layered = {
        group: state
        for group, state in groups.items()
        if any(_is_layer(key, value) for key, value in state.items())
    }
    convolve = any(value.ndim == 4 for state in layered.values() for value in state.values())
    alike = len({tuple(state) for state in layered.values()}) == 1 and len(layered) > 1
    networks, rest = list[Part](), list[Part]()
    for group, state in layered.items():
        layers = [value for key, value in state.items() if _is_layer(key, value)]
        found = Part(joined(part.key, group), state, _inside(part.modules, group))
        several = len(layers) > 1 or alike
        is_network = several and (not convolve or any(value.ndim == 4 for value in layers))
        (networks if is_network and len(layered) > 1 else rest).append(found)
    return networks, rest


def _inside(modules: object, group: str) -> dict[str, ModuleFacts]:
    assert isinstance(modules, dict)
    at = f"{group}."
    return {name.partition(at)[2]: facts for name, facts in modules.items() if at in f"{name}."}
