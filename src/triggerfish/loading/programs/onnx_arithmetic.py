"""ONNX operators that compute: products, norms, reductions, conversions."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from triggerfish.errors import UnsupportedModelError
from triggerfish.loading.programs.onnx_operator import (
    MANY,
    Attributes,
    Operator,
    integers,
    operator,
    refuse_training,
)

# onnx.TensorProto.DataType
_FLOATS = {1, 10, 11, 16}
_SELU_GAMMA = 1.05070102214813232421875
_INTEGERS = {6: torch.int32, 7: torch.int64, 9: torch.bool}


def gemm(a: Attributes, x: Tensor, y: Tensor, bias: Tensor | None = None) -> Tensor:
    """Gemm: alpha x y + beta bias."""
    x = x.T if a.get("transA") else x
    y = y.T if a.get("transB") else y
    product = (x @ y) * float(a.get("alpha", 1.0))
    return product if bias is None else product + bias * float(a.get("beta", 1.0))


def batch_norm(
    a: Attributes, x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, var: Tensor
) -> Tensor:
    """BatchNormalization with its stored statistics."""
    refuse_training(a, "BatchNormalization")
    return F.batch_norm(x, mean, var, scale, bias, training=False, eps=a.get("epsilon", 1e-5))


def instance_norm(a: Attributes, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    """InstanceNormalization."""
    return F.instance_norm(x, weight=scale, bias=bias, eps=a.get("epsilon", 1e-5))


def layer_norm(a: Attributes, x: Tensor, scale: Tensor, bias: Tensor | None = None) -> Tensor:
    """LayerNormalization over the axes from ``axis`` on."""
    shape = x.shape[a.get("axis", -1) :]
    shift = None if bias is None else bias.expand(shape)
    return F.layer_norm(x, shape, scale.expand(shape), shift, eps=a.get("epsilon", 1e-5))


def group_norm(a: Attributes, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    """GroupNormalization; before opset 21, scale and bias are per group."""
    groups = a["num_groups"]
    if a["opset"] < 21:
        scale, bias = (v.repeat_interleave(x.shape[1] // groups) for v in (scale, bias))
    return F.group_norm(x, groups, scale, bias, eps=a.get("epsilon", 1e-5))


def rms_norm(a: Attributes, x: Tensor, scale: Tensor) -> Tensor:
    """RMSNormalization over the axes from ``axis`` on."""
    axes = list(range(a.get("axis", -1) % x.ndim, x.ndim))
    size = x.square().mean(axes, keepdim=True) + a.get("epsilon", 1e-5)
    return torch.mul(x * size.rsqrt(), scale)


def mean_variance_norm(a: Attributes, x: Tensor) -> Tensor:
    """MeanVarianceNormalization over ``axes``, with the specification's epsilon."""
    axes = list(a.get("axes", (0, 2, 3)))
    centred = x - x.mean(axes, keepdim=True)
    return centred / (centred.square().mean(axes, keepdim=True).sqrt() + 1e-9)


def lp_norm(a: Attributes, x: Tensor) -> Tensor:
    """LpNormalization: values by their 1- or 2-norm along ``axis``; zeros stay."""
    length = torch.linalg.vector_norm(x, a.get("p", 2), a.get("axis", -1), keepdim=True)
    return x / torch.where(length == 0, torch.ones_like(length), length)


def local_response_norm(a: Attributes, x: Tensor) -> Tensor:
    """LRN over ``size`` channels, the odd one after the middle."""
    size = a["size"]
    squares = F.pad(x.square().movedim(1, -1), ((size - 1) // 2, size // 2))
    sums = squares.unfold(-1, size, 1).sum(-1).movedim(-1, 1)
    divisor: Tensor = float(a.get("bias", 1.0)) + float(a.get("alpha", 1e-4)) / size * sums
    return torch.div(x, divisor.pow(float(a.get("beta", 0.75))))


def reduce(function: Callable[..., Tensor]) -> Operator:
    """A reduction over axes, all of them when none are named."""

    def run(a: Attributes, x: Tensor, given: Tensor | None = None) -> Tensor:
        axes = integers(a.get("axes") if given is None else given)
        if not axes and a.get("noop_with_empty_axes"):
            return x
        return function(x, dim=axes or list(range(x.ndim)), keepdim=bool(a.get("keepdims", 1)))

    return operator(run, "axes keepdims noop_with_empty_axes", inputs=(1, 2))


def product(x: Tensor, dim: list[int], keepdim: bool) -> Tensor:
    """The product over several axes."""
    for axis in sorted((axis % x.ndim for axis in dim), reverse=True):
        x = x.prod(axis, keepdim=keepdim)
    return x


def cumulative_sum(a: Attributes, x: Tensor, axis: Tensor) -> Tensor:
    """CumSum, of what comes before only with ``exclusive``, from the end with ``reverse``."""
    along = int(axis.item())
    x = x.flip(along) if a.get("reverse") else x
    sums = x.cumsum(along).to(x.dtype)
    sums = sums - x if a.get("exclusive") else sums
    return sums.flip(along) if a.get("reverse") else sums


def modulo(a: Attributes, x: Tensor, y: Tensor) -> Tensor:
    """Mod with the sign of the divisor, or with ``fmod`` that of the dividend."""
    return torch.fmod(x, y) if a.get("fmod") else torch.remainder(x, y)


def shrink(a: Attributes, x: Tensor) -> Tensor:
    """Shrink: nothing between minus ``lambd`` and it, beyond ``bias`` nearer to nothing."""
    bias, edge = a.get("bias", 0.0), a.get("lambd", 0.5)
    far = torch.where(x < -edge, x + bias, torch.zeros_like(x))
    return torch.where(x > edge, x - bias, far)


def swish(a: Attributes, x: Tensor) -> Tensor:
    """Swish: x sigmoid(alpha x)."""
    return x * torch.sigmoid(float(a.get("alpha", 1.0)) * x)


def cast_like(_: Attributes, x: Tensor, like: Tensor) -> Tensor:
    """CastLike, as `cast`."""
    if like.is_floating_point():
        return x if x.is_floating_point() else x.float()
    return x.to(like.dtype)


def cast(a: Attributes, x: Tensor) -> Tensor:
    """Cast; between floating types the network's own precision stays."""
    if a["to"] in _FLOATS:
        return x if x.is_floating_point() else x.float()
    if a["to"] not in _INTEGERS:
        raise UnsupportedModelError(
            f"expected a Cast to float, int32, int64 or bool, got ONNX type {a['to']}"
        )
    return x.to(_INTEGERS[a["to"]])


def clip(a: Attributes, x: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
    """Clip to bounds from inputs (opset 11 on) or attributes."""
    if low is None and high is None:
        smallest, largest = a.get("min"), a.get("max")
        return x if smallest is largest is None else x.clamp(smallest, largest)
    return x.clamp(low, high)


def softmax(function: Callable[..., Tensor]) -> Operator:
    """Softmax along an axis; before opset 13, over all axes from it on."""

    def run(a: Attributes, x: Tensor) -> Tensor:
        if a["opset"] >= 13:
            return function(x, dim=a.get("axis", -1))
        axis = a.get("axis", 1) % x.ndim
        return function(x.flatten(axis), dim=axis).reshape(x.shape)

    return operator(run, "axis")


def many(function: Callable[[Tensor, Tensor], Tensor]) -> Operator:
    """A function of two as one of any number of inputs."""

    def run(_: Attributes, first: Tensor, *others: Tensor) -> Tensor:
        for other in others:
            first = function(first, other)
        return first

    return operator(run, inputs=(1, MANY))


def divide(x: Tensor, y: Tensor) -> Tensor:
    """Div; integers are cut off towards zero."""
    return x / y if x.is_floating_point() else torch.div(x, y, rounding_mode="trunc")


def power(x: Tensor, y: Tensor) -> Tensor:
    """Pow, in the type of its base."""
    return torch.pow(x, y).to(x.dtype)


def selu(a: Attributes, x: Tensor) -> Tensor:
    """Selu with its own constants, to the digits that ONNX gives."""
    alpha, gamma = a.get("alpha", 1.67326319217681884765625), a.get("gamma", _SELU_GAMMA)
    return float(gamma) * F.elu(x, alpha)


def parametric_relu(a: Attributes, x: Tensor, slope: Tensor) -> Tensor:
    """PRelu; in opset 6, slopes are per channel."""
    if a["opset"] < 7 and slope.ndim == 1:
        slope = slope.view(-1, *[1] * (x.ndim - 2))
    return torch.where(x >= 0, x, slope * x)


def dropout(
    a: Attributes, x: Tensor, ratio: Tensor | None = None, training: Tensor | None = None
) -> Tensor:
    """Dropout as it is when a network predicts: nothing happens, whatever the ``ratio``."""
    refuse_training(a, "Dropout")
    if training is not None and bool(training):
        raise UnsupportedModelError(
            "expected a network that predicts, got Dropout in training mode: "
            "export in evaluation mode"
        )
    return x
