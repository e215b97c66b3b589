"""How a stranger's network is called: which output is taken, what is replaced on the way.

Two habits of forward passes cost much, and neither changes what is computed. ``x.view(n, -1)``
wants one layout of memory, and convolutions are faster in another: a `reshape` works in both. A
softmax at the end rounds the log-odds away, so that the network would have to run in float64, where
convolutions are several times as slow: the logits before it are taken instead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

from triggerfish.model.heads import OutputKind
from triggerfish.model.outputs import named_outputs, picked

_HEADS: dict[str, OutputKind] = {
    "softmax": "softmax",
    "_softmax": "softmax",
    "log_softmax": "log_softmax",
    "_log_softmax": "log_softmax",
    "sigmoid": "sigmoid",
    "sigmoid_": "sigmoid",
    "expit": "sigmoid",
}
# What only moves the classes' values does the same to their logits.
_MOVES = frozenset(("view", "reshape", "flatten", "squeeze", "contiguous", "clone", "view_as")) | {
    "to", "float", "double", "_to_copy"
}  # fmt: skip
_OPPOSITES: dict[tuple[str, OutputKind], OutputKind] = {
    ("exp", "log_softmax"): "softmax",
    ("log", "softmax"): "log_softmax",
}


@dataclass(frozen=True)
class Calling:
    """``call(model, x)`` is the output ``part`` of a model: its only one where it has no name.

    With ``any_layout``, views work whatever the layout of memory; with ``contiguous``, inputs are
    laid out as usual first. With ``before_head``, a final softmax, log-softmax or sigmoid is left
    out.
    """

    part: str = ""
    any_layout: bool = False
    contiguous: bool = False
    before_head: bool = False

    def __call__(self, model: Callable[[Tensor], object], x: Tensor) -> Tensor:
        """The output's values (N, K)."""
        if self.contiguous:
            x = x.contiguous()
        if not (self.any_layout or self.before_head):
            return picked(model(x), self.part)
        watched = Watched()
        with watched:
            answer = model(x)
        if self.before_head:
            return watched.logits(answer, self.part)[0]
        return picked(answer, self.part)


class Watched(TorchFunctionMode):
    """Runs views as reshapes, and remembers what went into softmaxes of vectors."""

    def __init__(self) -> None:
        super().__init__()
        # The answers are kept, so that none's place in memory is given to another.
        self._heads: dict[int, tuple[Tensor, Tensor, OutputKind]] = {}

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        """As PyTorch asks for it: ``func(*args, **kwargs)``, or what stands in for it."""
        del types
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "").partition(".")[0]
        first = args[0] if args else kwargs.get("input")
        first = first if isinstance(first, Tensor) else None
        if name in ("view", "view_as", "_unsafe_view") and first is not None:
            func = _reshaping(name, func, args[1:], kwargs)
        # What works in place would change what is remembered.
        given = first.clone() if name == "sigmoid_" and first is not None else first
        result = func(*args, **kwargs)
        if given is None or not isinstance(result, Tensor):
            return result
        if result.ndim < 2 or result.shape[2:].numel() != 1:
            return result  # no vector an image, which heads of classes have
        if name in _HEADS:
            self._heads[id(result)] = (result, given, _HEADS[name])
        elif first is not None and (found := self._heads.get(id(first))) is not None:
            if name in _MOVES:
                moved = func(found[1], *args[1:], **kwargs)
                self._heads[id(result)] = (result, moved, found[2])
            elif (name, found[2]) in _OPPOSITES:
                self._heads[id(result)] = (result, found[1], _OPPOSITES[name, found[2]])
        return result

    def logits(self, answer: object, part: str) -> tuple[Tensor, OutputKind]:
        """What went into the head that answered, and its kind; the answer itself without one."""
        found = named_outputs(answer).get(part)
        if found is None or id(found) not in self._heads:
            return picked(answer, part), "logits"
        _, logits, kind = self._heads[id(found)]
        return picked(logits, ""), kind


def _reshaping(
    name: str, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Callable[..., Any]:
    """The reshape that stands in for a view; a view as another type stays one."""
    if name == "view_as":
        return Tensor.reshape_as
    if "size" in kwargs:
        return lambda x, size: x.reshape(size)
    return Tensor.reshape if args and isinstance(args[0], (int, tuple, list)) else func
