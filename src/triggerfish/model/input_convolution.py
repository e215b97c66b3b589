"""The gradient of a first convolution with respect to its image, faster than the library's.

Training never asks for it, so nobody has tuned it: on a processor, oneDNN takes several times as
long for one to four input channels as the same arithmetic takes as a convolution of its own, or as
one matrix product and a few shifted additions (benchmarks/speed.py, section ``input-gradient``).
Here every step wants it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import conv2d

MAX_CHANNELS = 4
"""Images have one, three or four; with more the library is as fast."""


def with_fast_input_gradient(model: nn.Module) -> nn.Module:
    """``model`` itself, its convolutions on images replaced by `InputConv2d`, in place."""
    for module in model.modules():
        if (
            type(module) is nn.Conv2d
            and module.in_channels <= MAX_CHANNELS
            and module.groups == 1
            and module.dilation == (1, 1)
            and module.padding_mode == "zeros"
            and not isinstance(module.padding, str)
        ):
            module.__class__ = InputConv2d
    return model


class InputConv2d(nn.Conv2d):
    """A `nn.Conv2d` with frozen weights: same output, own gradient with respect to the input."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name in nn.Conv2d
        """As `nn.Conv2d`; images (N, C, H, W) -> (N, O, H', W')."""
        frozen = not self.weight.requires_grad
        if not (frozen and input.requires_grad and input.device.type == "cpu" and input.ndim == 4):
            return super().forward(input)
        output: Tensor = _Convolution.apply(  # type: ignore[no-untyped-call]
            input, self.weight, self.bias, self.stride, self.padding
        )
        return output


class _Convolution(torch.autograd.Function):
    """Cross-correlation and its gradient."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        stride: tuple[int, int],
        padding: tuple[int, int],
    ) -> Tensor:
        ctx.weight, ctx.shape, ctx.stride, ctx.padding = weight, x.shape, stride, padding
        return conv2d(x, weight, bias, stride, padding)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        down, across = ctx.stride
        (top, left), (rows, columns) = ctx.padding, ctx.weight.shape[2:]
        if (down, across) == (1, 1) and top < rows and left < columns:
            # With a stride of one: the convolution by the flipped kernels, which oneDNN is tuned
            # for. A padding of the kernel's size or more would be less than none here.
            flipped = ctx.weight.flip(2, 3).transpose(0, 1).contiguous()
            around = (rows - 1 - top, columns - 1 - left)
            last = gradient.contiguous(memory_format=torch.channels_last)
            slope = conv2d(last, flipped, padding=around)
        else:
            slope = _by_addition(gradient, ctx.weight, ctx.shape, ctx.stride, ctx.padding)
        return slope, None, None, None, None


def _by_addition(
    gradient: Tensor,
    weight: Tensor,
    shape: torch.Size,
    stride: tuple[int, int],
    padding: tuple[int, int],
) -> Tensor:
    """With any stride: the transposed matrix product, its columns added up (col2im)."""
    (count, channels, height, width), (down, across), (top, left) = shape, stride, padding
    outputs, _, rows, columns = weight.shape
    high, wide = gradient.shape[2:]
    pixels = gradient.permute(0, 2, 3, 1).reshape(-1, outputs)  # a view when channels are last
    parts = (weight.reshape(outputs, -1).t() @ pixels.t()).view(
        channels, rows, columns, count, high, wide
    )
    padded = gradient.new_zeros(channels, count, height + 2 * top, width + 2 * left)
    for i in range(rows):
        for j in range(columns):
            reach = padded[
                :,
                :,
                i : i + down * (high - 1) + 1 : down,
                j : j + across * (wide - 1) + 1 : across,
            ]
            reach += parts[:, i, j]
    inner = padded[:, :, top : top + height, left : left + width]
    return inner.transpose(0, 1)
