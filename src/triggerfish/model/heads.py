"""What a network's outputs are (logits, probabilities), and how to get back to logits."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

OutputKind = Literal["logits", "log_softmax", "softmax", "sigmoid"]

# float32 softmax over 20,000 classes sums to 1 within 1e-4; half precision within 1e-2.
_SUM_TOLERANCE = 1e-2


def recognise_output(outputs: Tensor) -> OutputKind:
    """The kind of head that answered ``outputs`` (N, K) to several unlike images.

    Softmax rows lie in [0, 1] and sum to one; log-softmax rows are not positive and their
    exponentials sum to one; rows in (0, 1] that do neither are sigmoids (exact zeros are a ReLU's),
    unless they differ by less than 0.01 over all images: then, and otherwise, they are logits.
    """
    y = outputs.detach().double()
    one = y.shape[1] == 1  # a softmax over one class is 1 for every image: nobody trains that
    if bool(((y >= 0) & (y <= 1)).all()):
        if not one and _is_one(y.sum(1)):
            return "softmax"
        return "sigmoid" if bool((y.min() > 0) & (y.max() - y.min() > 0.01)) else "logits"
    if not one and bool((y <= 0).all()) and _is_one(y.exp().sum(1)):
        return "log_softmax"
    return "logits"


def without_probability_head(model: nn.Module) -> tuple[nn.Module, bool]:
    """``model`` without final softmax, log-softmax or sigmoid, and whether there was one to see.

    That is the last step of a `torch.nn.Sequential`, or the switch ``softmax_head`` of the
    built-in networks. ``model`` is changed in place.
    """
    if getattr(model, "softmax_head", None) is True:
        model.softmax_head = False  # type: ignore[assignment]
        return model, True
    if not isinstance(model, nn.Sequential) or not len(model):
        return model, False
    if isinstance(model[-1], (nn.Softmax, nn.LogSoftmax, nn.Sigmoid)):
        return without_probability_head(model[:-1])[0], True
    model[-1], stripped = without_probability_head(model[-1])
    return model, stripped


def to_logits(outputs: Tensor, kind: OutputKind) -> Tensor:
    """Logits, up to a constant a row, from outputs ``(N, K)`` of a known kind.

    Probabilities become log-probabilities; sigmoids the logit of each class on its own. Values
    beyond the floating-point range are clamped, where they give no gradient.
    """
    limits = torch.finfo(outputs.dtype)
    if kind == "softmax":
        return outputs.clamp_min(limits.tiny).log()
    if kind == "sigmoid":
        return torch.logit(outputs, eps=limits.eps)
    return outputs


def apply_head(logits: Tensor, kind: OutputKind) -> Tensor:
    """What a head of that kind answers to ``logits`` (N, K)."""
    if kind == "softmax":
        return logits.softmax(1)
    if kind == "log_softmax":
        return logits.log_softmax(1)
    return logits.sigmoid() if kind == "sigmoid" else logits


def two_classes(logits: Tensor) -> Tensor:
    """Logits (N, K), where a single one z (N, 1), of class 1 against class 0, becomes (0, z)."""
    return logits if logits.shape[1] > 1 else torch.cat([torch.zeros_like(logits), logits], 1)


def is_saturated(outputs: Tensor, kind: OutputKind) -> Tensor:
    """Rows (N,) of outputs (N, K) whose log-odds are lost: a probability rounded to 0 or 1.

    A log-probability may well round to 0: those of the other classes still have the log-odds.
    """
    if kind in ("logits", "log_softmax"):
        return ~torch.isfinite(outputs).all(1)
    limits = torch.finfo(outputs.dtype)
    return ((outputs < limits.tiny) | (outputs > 1 - limits.eps)).any(1)


def _is_one(sums: Tensor) -> bool:
    return bool(((sums - 1).abs() < _SUM_TOLERANCE).all())
