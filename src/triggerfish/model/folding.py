"""A faster copy of a network for searches: batch norm folded into the convolutions before it.

In evaluation mode batch norm is one factor and one shift a channel, which the kernels can bear. It
saves two passes over every activation, forwards and backwards.
"""

from __future__ import annotations

import copy
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, fx, nn

from triggerfish.model.classifier import Classifier

MAX_GAP = 1e-4
"""Largest difference between the two networks' answers, in units of the largest answer."""
PROBES = 3

_copies: WeakKeyDictionary[Classifier, Classifier] = WeakKeyDictionary()


def folded(classifier: Classifier) -> Classifier:
    """The same function with batch norm folded, or ``classifier`` itself where that is not safe.

    It is safe where the network's steps can be traced and the copy answers alike. The copy is made
    once, so what is found about it is found once.
    """
    if classifier not in _copies:
        _copies[classifier] = _folded(classifier)
    return _copies[classifier]


class _Tracer(fx.Tracer):
    """Takes a convolution of ours as one step, as the library's are."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, nn.Conv2d) or super().is_leaf_module(m, module_qualified_name)


def _folded(classifier: Classifier) -> Classifier:
    model = classifier.model
    if not isinstance(model, nn.Module) or isinstance(model, torch.jit.ScriptModule):
        return classifier
    if not any(isinstance(layer, nn.BatchNorm2d) for layer in model.modules()):
        return classifier
    try:
        steps = copy.deepcopy(model)
        traced = fx.GraphModule(steps, _Tracer().trace(steps))
    except Exception:  # a stranger's code: whatever it says, it cannot be traced
        return classifier
    if not _fold(traced):
        return classifier
    faster = copy.copy(classifier)
    faster.model = traced.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return faster if _answer_alike(classifier, faster) else classifier


def _fold(traced: fx.GraphModule) -> int:
    """Fold every batch norm that alone follows a convolution; returns how many there were."""
    layers, count = dict(traced.named_modules()), 0
    calls = [node.target for node in traced.graph.nodes if node.op == "call_module"]
    for node in list(traced.graph.nodes):
        if node.op != "call_module" or not isinstance(layers[node.target], nn.BatchNorm2d):
            continue
        before = node.args[0]
        if not isinstance(before, fx.Node) or before.op != "call_module":
            continue
        convolution, norm = layers[str(before.target)], layers[node.target]
        alone = len(before.users) == 1 and calls.count(before.target) == 1
        if not (isinstance(convolution, nn.Conv2d) and alone and norm.running_var is not None):
            continue
        _absorb(convolution, norm)
        node.replace_all_uses_with(before)
        traced.graph.erase_node(node)
        count += 1
    traced.delete_all_unused_submodules()
    traced.recompile()
    return count


def _absorb(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    """Put the factor and the shift of ``norm`` into the kernels and biases, in place."""
    assert norm.running_var is not None
    assert norm.running_mean is not None
    factor = (norm.running_var.double() + norm.eps).rsqrt()
    shift = -norm.running_mean.double() * factor
    if norm.weight is not None:
        factor, shift = factor * norm.weight.double(), shift * norm.weight.double()
    if norm.bias is not None:
        shift = shift + norm.bias.double()
    if convolution.bias is not None:
        shift = shift + convolution.bias.double() * factor
    dtype = convolution.weight.dtype
    kernels = convolution.weight.double() * factor.view(-1, 1, 1, 1)
    convolution.weight = nn.Parameter(kernels.to(dtype), requires_grad=False)
    convolution.bias = nn.Parameter(shift.to(dtype), requires_grad=False)


@torch.no_grad()
def _answer_alike(classifier: Classifier, faster: Classifier) -> bool:
    """Whether both answer the same to one image, and to several at once."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(PROBES, *classifier.input_shape, generator=generator)
    images = images.to(classifier.device, classifier.dtype)
    for batch in (images[:1], images):
        expected, got = (_answers(one, batch) for one in (classifier, faster))
        gap, scale = (expected - got).abs().max(), expected.abs().max()
        if not bool(gap <= MAX_GAP * scale.clamp_min(1.0)):
            return False
    return True


def _answers(classifier: Classifier, images: Tensor) -> Tensor:
    return classifier.logits(images).double()
