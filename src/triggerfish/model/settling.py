"""Finds out, on a few inputs, how a network is to be called: which output, layout and head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from triggerfish.errors import UnsupportedModelError
from triggerfish.model.calling import Calling, Watched
from triggerfish.model.heads import OutputKind, apply_head, recognise_output
from triggerfish.model.memory import is_out_of_memory
from triggerfish.model.outputs import class_outputs, described, named_outputs, picked

_FAR = (10.0, 100.0, 1000.0)  # times the inputs' range: where no logit stays in [0, 1]
_MOVES = 0.01  # less is a constant, and no probability
_SAME = 1e-3  # relative difference of answers: above the rounding of another order of summation


@dataclass(frozen=True)
class Settled:
    """How a network is called, and what was seen on the way.

    ``output`` is the kind of what ``calling`` gives, ``answers`` (N, K) those to the inputs.
    ``classes`` are the names of all outputs that may be class vectors, the one that is taken first;
    ``others`` describes every output but that one, '' where there is none, or somebody chose.
    """

    calling: Calling
    output: OutputKind
    answers: Tensor
    classes: tuple[str, ...] = ()
    others: str = ""


def settle(
    model: Callable[[Tensor], object], x: Tensor, part: str | None, output: OutputKind | None
) -> Settled:
    """Try a model on unlike inputs ``x``; a module's memory is laid out for fast convolutions.

    ``part`` names the output that is wanted and ``output`` its kind, where these are known. Raises
    whatever the model raises.
    """
    with torch.no_grad():
        outputs = named_outputs(model(x))
    if part is not None:
        classes: tuple[str, ...] = (part,)
    else:  # of one output there is nothing to choose
        classes = tuple(outputs) if len(outputs) == 1 else _classes(model, x, outputs)
    calling = Calling(classes[0])
    answers = picked(outputs, classes[0])
    if isinstance(model, nn.Module):
        calling = _laid_out(model, x, calling, answers)
    kind = output or _kind(model, x, calling, answers)
    with torch.no_grad(), Watched() as watched:
        answer = model(x)
    logits, head = watched.logits(answer, calling.part)
    # The final head is left out only where it answers, on its logits, what the network does.
    may_be = head != "logits" and output in (None, head) and logits.shape == answers.shape
    if may_be and _alike(apply_head(logits, head), answers):
        calling, answers, kind = replace(calling, before_head=True), logits, "logits"
    others = described(outputs, classes[:1]) if part is None else ""
    return Settled(calling, kind, answers, classes, others)


def _kind(
    model: Callable[[Tensor], object], x: Tensor, calling: Calling, answers: Tensor
) -> OutputKind:
    """The kind of the answers. A single one (N, 1) is a probability where it is one far out, too.

    A few logits may lie in [0, 1] by chance, those of inputs many times larger do not.
    """
    if answers.ndim != 2 or answers.shape[1] < 1:
        return "logits"  # whoever looks at the answers says what is wrong with them
    if answers.shape[1] > 1:
        return recognise_output(answers)
    if not _in_unit_range(answers):
        return "logits"
    with torch.no_grad():
        far = torch.cat([calling(model, (x - x.mean()) * factor) for factor in _FAR])
    moves = float(far.max() - far.min()) > _MOVES
    return "sigmoid" if _in_unit_range(far) and moves else "logits"


def _in_unit_range(y: Tensor) -> bool:
    return bool(((y >= 0) & (y <= 1)).all())


def _classes(
    model: Callable[[Tensor], object], x: Tensor, outputs: dict[str, Tensor]
) -> tuple[str, ...]:
    """Names of the outputs that may be class vectors, the likeliest first: one or more."""
    if not outputs:
        raise UnsupportedModelError(
            "expected a tensor of logits or something that holds one, got an answer without tensors"
        )
    with torch.enable_grad():
        # The second copy is for what works in place, which a leaf of the graph does not bear.
        outputs = named_outputs(model(x.clone().requires_grad_().clone()))
    # Where none is a class vector, whoever looks at the first says what is wrong with it.
    return class_outputs(outputs, len(x)) or tuple(outputs)[:1]


def _laid_out(model: nn.Module, x: Tensor, calling: Calling, expected: Tensor) -> Calling:
    """Convolutions run faster with channels last; some forward passes only work without."""
    _lay_out(model, torch.channels_last)
    if x.ndim == 4:
        x = x.contiguous(memory_format=torch.channels_last)
    for way in (calling, replace(calling, any_layout=True)):
        try:
            with torch.no_grad():
                found = way(model, x)
        except Exception as error:  # a stranger's code, in a way that it was not written for
            if is_out_of_memory(error):
                raise
            continue
        if _alike(found, expected):
            return way
    _lay_out(model, torch.contiguous_format)
    return replace(calling, contiguous=True)


def _lay_out(model: nn.Module, memory: torch.memory_format) -> None:
    """Kernels of two dimensions in that layout; `nn.Module.to` fails on those of three."""
    for values in (*model.parameters(), *model.buffers()):
        if values.ndim == 4:
            values.data = values.data.contiguous(memory_format=memory)


def _alike(found: Tensor, expected: Tensor) -> bool:
    if found.shape != expected.shape:
        return False
    if found.is_floating_point() and not bool(expected.isfinite().all()):
        return True  # said by whoever looks at the answers
    return float((found - expected).abs().max()) <= _SAME * (1e-3 + float(expected.abs().max()))
