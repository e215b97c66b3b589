"""A faster copy of a network for searches: batch norm folded, rectifiers after the pooling.

In evaluation mode batch norm is one factor and one shift a channel, which the kernels of the
convolution before it can bear: that saves two passes over every activation, forwards and backwards.
The largest of rectified values is the rectified largest, so behind max pooling a rectifier has a
quarter of the values or less to look at.
"""

from __future__ import annotations

import copy
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from triggerfish.model.classifier import Classifier

MAX_GAP = 1e-4
"""Largest difference between the two networks' answers, in units of the largest answer."""
PROBES = 3
_POOLINGS = (functional.max_pool2d, torch.max_pool2d)
_RECTIFIERS = (functional.relu, torch.relu, "relu")

_copies: WeakKeyDictionary[Classifier, Classifier | None] = WeakKeyDictionary()


def folded(classifier: Classifier) -> Classifier:
    """The same function in fewer steps, or ``classifier`` itself where that is not safe.

    It is safe where the network's steps can be traced and the copy answers alike. The copy is made
    once, so what is found about it is found once.
    """
    if classifier not in _copies:
        faster = _folded(classifier)
        # Never the classifier itself: it would be kept for good, by its own entry.
        _copies[classifier] = None if faster is classifier else faster
    return _copies[classifier] or classifier


def forget_folded(classifier: Classifier) -> None:
    """Let go of the copy, and of all that was found about it: each reading of a file has one."""
    _copies.pop(classifier, None)


class _Tracer(fx.Tracer):
    """Takes a convolution of ours as one step, as the library's are.

    Layers that a network keeps outside of its tree of modules get a name in it.
    """

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, nn.Conv2d) or super().is_leaf_module(m, module_qualified_name)

    def path_of_module(self, mod: nn.Module) -> str:
        """Where a layer is."""
        try:
            return super().path_of_module(mod)
        except NameError:
            name = (
                f"unlisted_{len(self.root._modules)}"  # children() leaves out what is there twice
            )
            self.root.add_module(name, mod)
            return name


def _folded(classifier: Classifier) -> Classifier:
    model = classifier.model
    if not isinstance(model, nn.Module) or isinstance(model, torch.jit.ScriptModule):
        return classifier
    try:
        steps = copy.deepcopy(model)
        traced = fx.GraphModule(steps, _Tracer().trace(steps))
    except Exception:  # a stranger's code: whatever it says, it cannot be traced
        return classifier
    if not _fold(traced) + _rectify_late(traced):
        return classifier
    traced.delete_all_unused_submodules()
    traced.recompile()
    faster = copy.copy(classifier)
    faster.model = traced.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return faster if _answer_alike(classifier, faster) else classifier


def _fold(traced: fx.GraphModule) -> int:
    """Fold every batch norm that alone follows a convolution; returns how many there were."""
    layers, count = dict(traced.named_modules(remove_duplicate=False)), 0
    calls = [node.target for node in traced.graph.nodes if node.op == "call_module"]
    for node in list(traced.graph.nodes):
        if node.op != "call_module" or not isinstance(layers[node.target], nn.BatchNorm2d):
            continue
        before = node.args[0]
        if not isinstance(before, fx.Node) or before.op != "call_module":
            continue
        convolution, norm = layers[str(before.target)], layers[node.target]
        # Whoever else reads this convolution, or calls it again, wants its result unfolded.
        alone = len(before.users) == 1 and calls.count(before.target) == 1
        if not (isinstance(convolution, nn.Conv2d) and alone and norm.running_var is not None):
            continue
        _absorb(convolution, norm)
        node.replace_all_uses_with(before)
        traced.graph.erase_node(node)
        count += 1
    return count


def _rectify_late(traced: fx.GraphModule) -> int:
    """Put every max pooling that alone follows a rectifier before it; returns how many."""
    layers, count = dict(traced.named_modules(remove_duplicate=False)), 0
    # What each step calls: a layer, a function, or the name of a tensor's method.
    called: dict[fx.Node, object] = {
        node: layers[node.target] if node.op == "call_module" else node.target
        for node in traced.graph.nodes
        if node.op.startswith("call_")
    }
    for pool in list(called):
        pooling = called[pool]
        if not isinstance(pooling, nn.MaxPool2d) and pooling not in _POOLINGS:
            continue
        if pool.kwargs.get("return_indices") or getattr(pooling, "return_indices", False):
            continue
        rectifier = pool.args[0] if pool.args else None
        if not isinstance(rectifier, fx.Node) or len(rectifier.users) > 1:
            continue
        rectifying = called.get(rectifier)
        if not isinstance(rectifying, nn.ReLU) and rectifying not in _RECTIFIERS:
            continue
        before, after = rectifier.args[0], list(pool.users)
        if not isinstance(before, fx.Node):
            continue
        pool.replace_input_with(rectifier, before)
        with traced.graph.inserting_after(pool):
            moved = traced.graph.node_copy(rectifier)
        called[moved] = rectifying  # the next pooling may follow on it
        moved.replace_input_with(before, pool)
        for user in after:
            user.replace_input_with(pool, moved)
        traced.graph.erase_node(rectifier)
        count += 1
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
