"""How many images pass a network together where nothing is kept for a gradient."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from triggerfish.model.classifier import Classifier

EVALUATED_BYTES = 128 * 2**20
ALIVE = 5
"""So many values as large as the largest are there at once: an operation's input and result, what a
branch waits with, and what the allocator holds ready for the next."""
MOST = 512  # images: more are no faster

_rows: WeakKeyDictionary[Classifier, int] = WeakKeyDictionary()


class _Largest(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Remembers the bytes of the largest value that any operation gives."""

    bytes = 0

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        """As PyTorch asks for it."""
        del types
        answer = func(*args, **(kwargs or {}))
        # Where memory begins: a view takes none of its own, and one of weights says nothing about
        # images.
        given = {v.untyped_storage().data_ptr() for v in args if isinstance(v, Tensor)}
        for value in answer if isinstance(answer, (tuple, list)) else (answer,):
            if isinstance(value, Tensor) and value.untyped_storage().data_ptr() not in given:
                self.bytes = max(self.bytes, value.nbytes)
        return answer


@torch.no_grad()
def images_at_once(classifier: Classifier) -> int:
    """At most `MOST`, and as many as keep to `EVALUATED_BYTES`; at least one. Measured once."""
    if classifier not in _rows:
        image = torch.full(
            (1, *classifier.input_shape), 0.5, device=classifier.device, dtype=classifier.dtype
        )
        with _Largest() as largest:  # type: ignore[no-untyped-call]
            classifier.logits(image)
        bytes_ = ALIVE * max(image.nbytes, largest.bytes)
        _rows[classifier] = max(1, min(MOST, EVALUATED_BYTES // bytes_))
    return _rows[classifier]
