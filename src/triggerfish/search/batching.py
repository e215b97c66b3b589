"""How many rows fit: batches are cut to a memory budget by the model's measured footprint.

On a GPU the memory that is free there is the budget. An estimate may still be wrong, or another
process take the memory: `with_enough_memory` begins again with half the rows.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from contextvars import ContextVar
from typing import TypeVar

import torch
from torch import Tensor

from triggerfish.errors import UnsupportedModelError, one_line
from triggerfish.model.classifier import Classifier
from triggerfish.model.memory import is_out_of_memory
from triggerfish.search.activation_maximization import OBJECTIVES, objective_and_gradient

# Besides what autograd keeps: the largest activation while it is made, its gradient, and the holes
# that batches of other sizes leave (`benchmarks.memory` measures the peak).
_SLACK = 3.0
# Of a GPU's free memory: the rest is for what other processes start meanwhile.
_FREE_SHARE = 0.6
_MOST_HALVINGS = 10
# Images, baselines, gradients, running means, sort orders (int64) and candidates of a row.
_STATE_TENSORS = 14
# Values, slopes and gradients of a run, its best perturbation, and the next ones of them.
_RUN_TENSORS = 8

Result = TypeVar("Result")
_share: ContextVar[float] = ContextVar("share of the budget", default=1.0)


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


def rows_that_fit(
    classifier: Classifier, budget_mib: float, *, images: int = 0, runs: int = 0
) -> int:
    """Rows of one batch under a budget in MiB, or in the free memory of a GPU; at least one.

    The budget also holds ``images`` that are kept meanwhile, and the state of ``runs`` searches for
    universal perturbations.
    """
    held = (images + _RUN_TENSORS * runs) * classifier.num_pixels * classifier.dtype.itemsize
    budget = budget_mib * 2**20 - held
    if classifier.device.type == "cuda":
        budget = _FREE_SHARE * torch.cuda.mem_get_info(classifier.device)[0]
    return max(1, int(budget * _share.get()) // bytes_per_row(classifier))


def with_enough_memory(search: Callable[[], Result]) -> Result:
    """What ``search`` finds, which sizes its batches by `rows_that_fit`.

    When memory runs out it begins anew with half the rows, `_MOST_HALVINGS` times at most. The
    size of the batches changes no result beyond float noise.

    Raises:
        UnsupportedModelError: not even the smallest batches fit.
    """
    for halvings in range(_MOST_HALVINGS + 1):
        token = _share.set(0.5**halvings)
        try:
            return search()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            reason = one_line(error)
        finally:
            _share.reset(token)
        # Outside of the handler, whose traceback would keep the search's tensors alive.
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    raise UnsupportedModelError(
        f"expected a model that fits into memory, got '{reason}' with the smallest batches: "
        "use --device cpu, or a machine with more memory"
    )
