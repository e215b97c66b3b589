"""How many rows fit: batches are cut to a memory budget by the model's measured footprint."""

from __future__ import annotations

import torch
from torch import Tensor

from triggerfish.model.classifier import Classifier
from triggerfish.search.activation_maximization import OBJECTIVES, objective_and_gradient

# Besides what autograd keeps: the largest activation while it is made, its gradient, allocator
# slack. Measured on the built-in networks by benchmarks/speed.py (peak against estimate).
_SLACK = 2.0
# Images, baselines, gradients, running means, sort orders (int64) and candidates of a row.
_STATE_TENSORS = 14


def bytes_per_row(classifier: Classifier) -> int:
    """Memory that one row of an optimisation takes: what autograd saves for it, plus its state."""
    saved: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        if not tensor.is_leaf or tensor.requires_grad:
            storage = tensor.untyped_storage()
            saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    image = torch.full(
        (1, *classifier.input_shape), 0.5, device=classifier.device, dtype=classifier.dtype
    )
    target = torch.zeros(1, dtype=torch.long, device=classifier.device)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        objective_and_gradient(classifier, image, target, OBJECTIVES["log-odds"])
    state = _STATE_TENSORS * image.nbytes
    return int(_SLACK * sum(saved.values())) + state


def rows_that_fit(classifier: Classifier, budget_mib: float) -> int:
    """Rows of one batch under a budget in MiB; at least one."""
    return max(1, int(budget_mib * 2**20) // bytes_per_row(classifier))
