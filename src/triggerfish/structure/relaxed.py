"""Ways to run a graph so that a gradient comes through its conditions and steps.

A condition's value is its margin (positive where it holds), with which later conditions go on;
where it becomes a number it is 0 or 1 and lets the gradient pass. What is flat (`relu` below zero,
a saturated sigmoid, rounding) passes the gradient as if it were not. Values stay exact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from triggerfish.loading.programs.steps import Ref
from triggerfish.structure import names
from triggerfish.structure.graph import Graph, Node

_SMALL = 1e-3
_OF_INTEGERS = {
    "bitwise_and", "bitwise_or", "bitwise_not", "bitwise_xor", "index", "index_select", "gather",
    "one_hot", "embedding", "take",
}  # fmt: skip
Function = Callable[..., object]


class _Exact(torch.autograd.Function):
    """The value of the first, the gradient of the second."""

    @staticmethod
    def forward(_: Any, exact: Tensor, smooth: Tensor) -> Tensor:  # noqa: ANN401
        return exact.to(smooth.dtype) + torch.zeros_like(smooth)

    @staticmethod
    def backward(_: Any, *grads: Tensor) -> tuple[None, Tensor]:  # noqa: ANN401
        return None, grads[0]


class _Product(torch.autograd.Function):
    """a * b, where a factor near zero does not hide the other's gradient."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:  # noqa: ANN401
        ctx.save_for_backward(a, b)
        return a * b

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ANN401
        (a, b), grad = ctx.saved_tensors, grads[0]
        return (
            (grad * _away_from_zero(b)).sum_to_size(a.shape),
            (grad * _away_from_zero(a)).sum_to_size(b.shape),
        )


class _Extreme(torch.autograd.Function):
    """A reduction to the largest value: to raise it, its place counts; to lower it, every place."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, largest: bool) -> Tensor:  # noqa: ANN401
        ctx.save_for_backward(x, y)
        ctx.largest = largest
        return y.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401
        (x, y), grad = ctx.saved_tensors, grads[0]
        there = (x == y).to(grad.dtype)
        outward = grad if ctx.largest else -grad
        spread = grad.expand_as(x) / max(1, x.numel() // max(1, y.numel()))
        return torch.where(outward.expand_as(x) > 0, grad * there, spread), None, None


def _away_from_zero(x: Tensor) -> Tensor:
    return torch.where(x < 0, x.clamp_max(-_SMALL), x.clamp_min(_SMALL))


def exact(value: object, smooth: Tensor) -> Tensor:
    """``value`` with the gradient of ``smooth``."""
    result: Tensor = _Exact.apply(value, smooth)  # type: ignore[no-untyped-call]
    return result


def conditions_of(graph: Graph) -> frozenset[str]:
    """The values that are conditions, and have margins here."""
    found: set[str] = set()
    for node in graph.nodes:
        first = next(iter(node.inputs), None)
        through = node.op in names.VIEWS and node.op != "to" and first in found
        logical = node.op in names.COMPARISONS - {"sign"} or (
            node.op in names.LOGIC
            and (not node.op.startswith("bitwise") or any(n in found for n in node.inputs))
        )
        if logical or through:
            found.update(node.outputs)
    return frozenset(found)


def relaxed_runs(graph: Graph) -> Callable[[Node], Function | None]:
    """How to run each node of a graph, for `evaluate`."""
    conditions = conditions_of(graph)
    stepped: set[str] = set()
    for node in graph.nodes:
        if node.op in names.STEPS or any(name in stepped for name in node.inputs):
            stepped.update(node.outputs)

    whole = _whole_numbers(graph)

    def run(node: Node) -> Function | None:
        if node.op in ("floor", "ceil", "round", "trunc", "floor_divide", "floordiv"):
            again = any(name in stepped for name in node.inputs)
            return node.run if again else _stepped(node)
        if node.op in _RUNS and node.run is not None:
            return _RUNS[node.op](node)
        if node.run is not None and any(name in conditions for name in node.inputs):
            if node.op in names.VIEWS and node.op != "to":
                return node.run
            return _with_numbers(node, conditions)
        if node.run is not None and node.op in ("to", "quantize"):
            return _rounded(node)
        if node.run is not None and node.op in _OF_INTEGERS and whole.intersection(node.inputs):
            return _with_integers(node)
        return node.run

    return run


def _whole_numbers(graph: Graph) -> frozenset[str]:
    """What is computed from values that are converted: whole numbers are floats here."""
    found: set[str] = set()
    for node in graph.nodes:
        if node.op in ("to", "quantize") or not found.isdisjoint(node.inputs):
            found.update(node.outputs)
    return frozenset(found)


def _rounded(node: Node) -> Function:
    """A conversion, to integers with the gradient of what is converted."""
    assert node.run is not None
    own = node.run

    def run(x: Any, *rest: Any, **options: object) -> object:  # noqa: ANN401
        y = own(x, *rest, **options)
        if not isinstance(x, Tensor) or not isinstance(y, Tensor) or not x.is_floating_point():
            return y
        if y.is_floating_point() or y.dtype == torch.bool or y.shape != x.shape:
            return y
        step = rest[0] if node.op == "quantize" and isinstance(rest[0], Tensor) else 1.0
        return exact(y.to(x.dtype), x / step)

    return run


def _with_integers(node: Node) -> Function:
    """A node that compares bits or looks up places, which takes no floats."""
    assert node.run is not None
    own, bits = node.run, node.op.startswith("bitwise")

    def whole(v: object) -> object:
        return v.long() if isinstance(v, Tensor) and v.is_floating_point() else v

    def run(first: object, *rest: object, **options: object) -> object:
        given = [whole(v) if not isinstance(v, list) else [whole(i) for i in v] for v in rest]
        return own(whole(first) if bits else first, *given, **options)

    return run


def _with_numbers(node: Node, conditions: frozenset[str]) -> Function:
    """A node that takes conditions as numbers, or to choose by."""
    assert node.run is not None
    run = node.run
    places = [
        i
        for i, item in enumerate(node.arguments)
        if isinstance(item, Ref) and item.name in conditions
    ]
    if node.op == "to":
        return lambda margin, *_, **__: _number(margin)
    if node.op in ("where", "if") and places[:1] == [0]:
        return lambda margin, a, b: _chosen(margin, a, b)
    if node.op in (
        "amin",
        "amax",
        "prod",
        "mean",
        "sum",
        "mul",
        "add",
        "sub",
        "maximum",
        "minimum",
    ):

        def numbers(*arguments: object, **options: object) -> object:
            given = [_number(v) if i in places else v for i, v in enumerate(arguments)]
            return run(*given, **options)

        return numbers

    def plain(*arguments: object, **options: object) -> object:
        def hard(v: object) -> object:
            if isinstance(v, (list, tuple)):
                return [hard(item) for item in v]
            return v > 0 if isinstance(v, Tensor) and v.is_floating_point() else v

        given = [
            hard(v) if i in places or isinstance(v, list) else v for i, v in enumerate(arguments)
        ]
        return run(*given, **options)

    return plain


def _number(margin: object) -> object:
    if not isinstance(margin, Tensor) or not margin.is_floating_point():
        return margin
    return exact((margin > 0).to(margin.dtype), margin)


def _chosen(margin: Any, a: Any, b: Any) -> Any:  # noqa: ANN401
    if not isinstance(margin, Tensor) or not margin.is_floating_point():
        return torch.where(torch.as_tensor(margin), a, b)
    share: Any = _number(margin)
    a, b = torch.as_tensor(a), torch.as_tensor(b)
    return b + share * (a - b).detach() + (margin > 0) * (a - a.detach() - b + b.detach())


def _margin(value: object) -> Tensor:
    tensor = value if isinstance(value, Tensor) else torch.as_tensor(value)
    if tensor.dtype == torch.bool:
        return tensor.float() * 2 - 1
    return tensor


def _float(value: object) -> Any:  # noqa: ANN401
    tensor = value if isinstance(value, Tensor) else torch.as_tensor(value)
    return tensor if tensor.is_floating_point() else tensor.float()


def _dims(arguments: tuple[object, ...], options: Mapping[str, object]) -> tuple[list[int], bool]:
    """Axes and keepdim of an `all` or `any`."""
    rest = [*arguments, *options.values()]
    dims = next((v for v in rest if isinstance(v, (int, list)) and not isinstance(v, bool)), [])
    keep = next((v for v in rest if isinstance(v, bool)), False)
    return ([dims] if isinstance(dims, int) else [int(d) for d in dims]), keep


def _reduced(largest: bool) -> Callable[[Node], Function]:
    def make(node: Node) -> Function:
        def run(x: Any, *arguments: object, **options: object) -> Tensor:  # noqa: ANN401
            dims, keep = _dims(arguments, options)
            return _extreme(_margin(x), dims or list(range(x.ndim)), keep, largest)

        return run

    return make


def _extreme(x: Tensor, dims: list[int], keep: bool, largest: bool) -> Tensor:
    y = (torch.amax if largest else torch.amin)(x.detach(), dim=dims, keepdim=True)
    result: Tensor = _Extreme.apply(x, y, largest)  # type: ignore[no-untyped-call]
    if keep:
        return result
    left = [n for i, n in enumerate(x.shape) if i not in {d % x.ndim for d in dims}]
    return result.reshape(left)


def _reduction(largest: bool) -> Callable[[Node], Function]:
    """`amax` and `amin`, whose own way to run them knows the axes: found by comparing shapes."""

    def make(node: Node) -> Function:
        assert node.run is not None
        own = node.run

        def run(x: Any, *arguments: object, **options: object) -> object:  # noqa: ANN401
            with torch.no_grad():
                y = own(x, *arguments, **options)
            if not isinstance(y, Tensor) or not isinstance(x, Tensor) or x.ndim == 0:
                return own(x, *arguments, **options)
            if not x.is_floating_point() or y.numel() not in (1, x.shape[0], x.shape[:2].numel()):
                return own(x, *arguments, **options)
            kept = next(k for k in range(3) if x.shape[:k].numel() == y.numel())
            whole = y.reshape(x.shape[:kept] + (1,) * (x.ndim - kept))
            result: Tensor = _Extreme.apply(x, whole, largest)  # type: ignore[no-untyped-call]
            return result.reshape(y.shape)

        return run

    return make


def _compared(sign: int) -> Callable[[Node], Function]:
    return lambda _: lambda a, b, **__: sign * (_float(a) - _float(b))


def _equal(sign: int) -> Callable[[Node], Function]:
    # Whole numbers are equal within a half.
    return lambda _: lambda a, b, **__: sign * (0.5 - (_float(a) - _float(b)).abs())


def _stepped(node: Node) -> Function:
    assert node.run is not None
    own = node.run

    def run(x: Any, *rest: object, **options: object) -> object:  # noqa: ANN401
        y = own(x, *rest, **options)
        smooth = x / rest[0] if rest and node.op.startswith("floor") else x
        return exact(y, smooth) if isinstance(x, Tensor) and x.is_floating_point() else y

    return run


def _passing(slope: Callable[[Tensor], Tensor] = lambda x: x) -> Callable[[Node], Function]:
    """The exact value, with the gradient of ``slope``."""

    def make(node: Node) -> Function:
        assert node.run is not None
        own = node.run

        def run(x: Any, *rest: object, **options: object) -> object:  # noqa: ANN401
            y = own(x, *rest, **options)
            if not isinstance(x, Tensor) or not isinstance(y, Tensor) or not x.is_floating_point():
                return y
            return exact(y.detach(), slope(x)) if y.shape == x.shape else y

        return run

    return make


def _multiplied(node: Node) -> Function:
    assert node.run is not None
    own = node.run

    def run(a: Any, b: Any, **options: object) -> object:  # noqa: ANN401
        a, b = (_number(_margin(v)) if _is_bool(v) else v for v in (a, b))
        if not isinstance(a, Tensor) or not isinstance(b, Tensor) or options:
            return own(a, b, **options)
        if not a.is_floating_point() or not b.is_floating_point():
            return own(a, b)
        return _Product.apply(a, b)  # type: ignore[no-untyped-call]

    return run


def _is_bool(value: object) -> bool:
    return isinstance(value, Tensor) and value.dtype == torch.bool


def _prod(node: Node) -> Function:
    assert node.run is not None
    own: Callable[..., Any] = node.run

    def run(x: Any, *rest: object, **options: object) -> object:  # noqa: ANN401
        with torch.no_grad():
            y = own(x, *rest, **options)
        kept = next((k for k in range(3) if x.shape[:k].numel() == y.numel()), None)
        if kept is None or not x.is_floating_point():
            return own(x, *rest, **options)
        return exact(y, x.reshape(*x.shape[:kept], -1).mean(-1).reshape(y.shape))

    return run


def _powered(node: Node) -> Function:
    assert node.run is not None
    own: Callable[..., Any] = node.run

    def run(x: Any, power: Any, **options: object) -> object:  # noqa: ANN401
        y = own(x, power, **options)
        exponent = float(power) if not isinstance(power, Tensor) or power.numel() == 1 else 0.0
        if exponent <= 2 or not isinstance(x, Tensor):
            return y
        return exact(y.detach(), x)

    return run


_RUNS: Mapping[str, Callable[[Node], Function]] = {
    "gt": _compared(1),
    "ge": _compared(1),
    "lt": _compared(-1),
    "le": _compared(-1),
    "eq": _equal(1),
    "ne": _equal(-1),
    "logical_and": lambda _: lambda a, b: torch.minimum(_margin(a), _margin(b)),
    "logical_or": lambda _: lambda a, b: torch.maximum(_margin(a), _margin(b)),
    "logical_not": lambda _: lambda a: -_margin(a),
    "all": _reduced(False),
    "any": _reduced(True),
    "amin": _reduction(False),
    "amax": _reduction(True),
    "max_pool2d": _reduction(True),
    "relu": _passing(),
    "clamp": _passing(),
    "sigmoid": _passing(),
    "hardsigmoid": _passing(),
    "tanh": _passing(),
    "exp": _passing(),
    "softplus": _passing(),
    "mul": _multiplied,
    "prod": _prod,
    "pow": _powered,
    "remainder": _passing(),
}
