"""What a reference is matched by: a network's shape and its task, the same in every file format.

Names differ between formats, parameters of one are constants of another, matrices are transposed,
and an export folds batch norm into the convolution before it. What stays are the shapes of the
weights themselves: all floating-point tensors with at least two sides, whatever the order of the
sides. Biases, running statistics and constants of the preprocessing have one side and are left
out, and so is the type of the numbers. Two networks of one fingerprint are of the same shape; that
they were trained alike is a claim that only their owner can make (`Reference.recipe`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

from torch import Tensor, nn

from triggerfish.model.classifier import Classifier, Preprocessing

_DIGITS = 4  # of a mean or a deviation, so that 33.33 of 255 is 0.1307


def fingerprint(classifier: Classifier) -> tuple[str, dict[str, object]]:
    """The network as a digest, and the task's geometry as plain data.

    The digest is '' for a callable, or a module without weights: such a network is like none.
    """
    model = classifier.model
    shapes = sorted(_weight_shapes(model)) if isinstance(model, nn.Module) else []
    digest = hashlib.sha256(json.dumps(shapes).encode()).hexdigest()[:16] if shapes else ""
    return digest, {
        "input_shape": list(classifier.input_shape),
        "num_classes": classifier.num_classes,
        **_normalization(classifier.preprocessing, classifier.input_shape[0]),
    }


def _weight_shapes(model: nn.Module) -> Iterator[list[int]]:
    """The sides of each weight, ascending, without those of one; a shared weight counts once."""
    seen: set[tuple[int, tuple[int, ...]]] = set()
    for tensor in model.state_dict().values():
        if not isinstance(tensor, Tensor) or not tensor.is_floating_point():
            continue
        sides = sorted(side for side in tensor.shape if side != 1)
        key = (tensor.data_ptr(), tuple(tensor.shape))
        if len(sides) > 1 and key not in seen:
            seen.add(key)
            yield sides


def _normalization(preprocessing: Preprocessing, channels: int) -> dict[str, object]:
    """Mean and deviation per channel for images in [0, 1], whatever range the network is fed."""
    low, high = preprocessing.input_range

    def each(values: tuple[float, ...], offset: float) -> list[float]:
        scaled = [(value - offset) / (high - low) for value in values]
        rounded = [float(f"{value:.{_DIGITS}g}") for value in scaled]
        return rounded * channels if len(rounded) == 1 else rounded

    return {"mean": each(preprocessing.mean, low), "std": each(preprocessing.std, 0.0)}
