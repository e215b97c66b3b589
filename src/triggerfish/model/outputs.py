"""Which of a network's outputs is the vector of classes, and all that it answers beside that."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from itertools import islice

import torch
from torch import Tensor

from triggerfish.errors import UnsupportedModelError
from triggerfish.model.heads import apply_head, recognise_output

_DEEPEST, _MOST = 3, 512
_LONGEST = 200  # characters of a list of outputs
_CLASSES = re.compile(r"logit|prob|pred|class|score|softmax|label|^out(put)?s?(_?0)?$|^main|^y$")
_AUXILIARY = re.compile(r"aux")
_FEATURES = re.compile(r"feat|embed|hidden|pool|repr|latent|attention|state|backbone|trunk")
_SAME = 1e-3  # relative: far above rounding, far below what another head answers


def named_outputs(answer: object) -> dict[str, Tensor]:
    """All tensors in a model's answer: ``logits``, ``0``, ``aux.1``; a bare tensor has no name.

    The answer may be a tensor, a tuple, a list, a mapping, or an object with tensors as attributes,
    at most three deep.
    """
    return dict(islice(_walk(answer, "", 0), _MOST))


def _walk(value: object, name: str, depth: int) -> Iterator[tuple[str, Tensor]]:
    """The tensors in ``value``, one at a time: a stranger's answer may hold very many."""
    if isinstance(value, Tensor):
        yield name, value
        return
    if depth >= _DEEPEST:
        return
    parts: Iterable[tuple[object, object]] = ()
    if isinstance(value, Mapping):
        parts = value.items()
    elif isinstance(value, (tuple, list)):
        parts = zip(getattr(value, "_fields", range(len(value))), value, strict=True)
    elif is_dataclass(value):
        parts = ((item.name, getattr(value, item.name)) for item in fields(value))
    elif hasattr(value, "__dict__"):
        parts = vars(value).items()
    for key, inner in parts:
        part = str(key)
        yield from _walk(inner, f"{name}.{part}" if name else part, depth + 1)


def picked(answer: object, name: str) -> Tensor:
    """The output of that name, maps of one pixel as vectors; raises `UnsupportedModelError`."""
    outputs = named_outputs(answer)
    if name not in outputs:
        names = ", ".join(f"{other} {tuple(y.shape)}" for other, y in outputs.items())[:_LONGEST]
        raise UnsupportedModelError(
            f"expected an output {name!r} of the model, got {names or 'none'}"
        )
    return as_vectors(outputs[name])


def as_vectors(y: Tensor) -> Tensor:
    """(N, K, 1, 1) as (N, K), a number an image (N,) as (N, 1); everything else as it is."""
    if y.ndim == 1:
        return y[:, None]
    return y.flatten(1) if y.ndim > 2 and y.shape[2:].numel() == 1 else y


def class_outputs(outputs: Mapping[str, Tensor], count: int) -> tuple[str, ...]:
    """Names of the outputs that may be the class vector of ``count`` unlike images; none twice.

    The likeliest comes first. What leads to another output of classes is features, unless a
    softmax or sigmoid is all that lies between: then it is that output's logits. For this, the
    outputs must have been computed with gradients. Names tell the rest, and what is no vector of
    two and more numbers an image is out. Auxiliary heads come last.
    """
    vectors = {name: as_vectors(y) for name, y in outputs.items()}
    found = sorted((n for n, y in vectors.items() if _is_vector(y, count)), key=_place)
    heads = {name for name in found if any(_is_head(vectors[o], vectors[name]) for o in found)}
    found = [name for name in found if name not in heads]
    twice = {
        b for i, a in enumerate(found) for b in found[i + 1 :] if _same(vectors[a], vectors[b])
    }
    found = [name for name in found if name not in twice]
    trunk = {a for a in found if any(_leads(outputs[a], outputs[b]) for b in found)}
    found = _without(found, trunk)
    if any(_CLASSES.search(name.lower()) for name in found):
        found = _without(found, {name for name in found if _FEATURES.search(name.lower())})
    return tuple(_without(found, {name for name in found if _is_rectified(vectors[name])}))


def _without(names: list[str], others: set[str]) -> list[str]:
    """The names that are not among ``others``; all, where none would be left."""
    return [name for name in names if name not in others] or names


def _place(name: str) -> int:
    """Where a name's output stands: logits, other answers, no telling, auxiliary."""
    name = name.lower()
    if _AUXILIARY.search(name):
        return 3
    return 0 if "logit" in name else 1 if _CLASSES.search(name) else 2


def _is_vector(y: Tensor, count: int) -> bool:
    return y.is_floating_point() and y.ndim == 2 and y.shape[0] == count and y.shape[1] > 1


def _is_rectified(y: Tensor) -> bool:
    """Whether this is what a ReLU leaves, which no classes are: nothing below 0, and zeros."""
    return bool((y >= 0).all() & (y == 0).any())


def _is_head(logits: Tensor, answer: Tensor) -> bool:
    """Whether ``answer`` is a softmax, log-softmax or sigmoid of ``logits``."""
    if logits is answer or logits.shape != answer.shape:
        return False
    kind = recognise_output(answer)
    if kind == "logits" or recognise_output(logits) == kind:
        return False
    with torch.no_grad():
        gap = (apply_head(logits.double(), kind) - answer.double()).abs().max()
    return float(gap) <= _SAME * float(answer.abs().max())


def _same(y: Tensor, other: Tensor) -> bool:
    return y.shape == other.shape and bool((y == other).all())


def _leads(first: Tensor, second: Tensor) -> bool:
    """Whether ``second`` is computed from ``first``, as far as gradients tell."""
    if first is second or not (first.requires_grad and second.requires_grad):
        return False
    ones = torch.ones_like(second)
    (slope,) = torch.autograd.grad(second, first, ones, allow_unused=True, retain_graph=True)
    return slope is not None


def described(outputs: Mapping[str, Tensor], names: tuple[str, ...]) -> str:
    """Names and sizes an image of the outputs that are none of ``names``: ``features (256,)``."""
    others = [(name, y[0]) for name, y in outputs.items() if name not in names and y.ndim]
    return ", ".join(f"{name} {tuple(y.shape)}" for name, y in others)[:_LONGEST]
