"""Which task a network was trained for, told by what it calls synthetic images.

Networks that were trained apart, on one data set, answer alike on synthetic images; networks for
another data set, or with their classes in another order, do not. So the answers of a few clean
networks tell whether another one has the same classes in the same order, without one image of the
data. How well is in docs/method.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from torch import Tensor

from triggerfish.model.classifier import Classifier
from triggerfish.search.activation_maximization import evaluate
from triggerfish.search.pictures import pictures
from triggerfish.statistics.outliers import Array

PICTURES = 100
ALIKE = 0.42
"""A likeness from which a network counts as one of the task: more than any develop network has to
another task's (docs/method.md)."""
_LEAST = -30.0  # nats: a network that is surer than that is not more alike for it


def geometry(input_shape: Sequence[int], num_classes: int) -> dict[str, object]:
    """What must be equal before answers can be compared, as a reference's ``task`` has it."""
    return {"input_shape": list(input_shape), "num_classes": num_classes}


@lru_cache(maxsize=8)
def asked(shape: tuple[int, int, int]) -> Tensor:
    """The pictures (PICTURES, C, H, W) in [0, 1] that answers are compared on."""
    return pictures(PICTURES, shape)


def answers(classifier: Classifier) -> Array:
    """What the network answers on the pictures `asked`, as `relative_answers`."""
    images = asked(classifier.input_shape).to(classifier.device)
    return relative_answers(evaluate(classifier, images))


def relative_answers(logits: Tensor) -> Array:
    """How far each class is before the others (N, K), of length 1 in all, from logits (N, K).

    Log-probabilities, each picture's mean taken away.
    """
    logits = logits.double().cpu()
    relative = logits.log_softmax(1).nan_to_num(_LEAST).clamp_min(_LEAST)
    relative = relative - relative.mean(1, keepdim=True)
    found: Array = (relative / relative.norm().clamp_min(1e-12)).numpy()
    return found


def mean_answers(found: Sequence[Array]) -> Array:
    """The mean (PICTURES, K) of several networks' answers, of length 1."""
    mean = np.mean(found, axis=0)
    scaled: Array = mean / max(float(np.linalg.norm(mean)), 1e-12)
    return scaled


def likeness(first: Array, second: Array) -> float:
    """The correlation of two networks' answers (PICTURES, K), in [-1, 1]; 0 for constant ones."""
    a, b = first - first.mean(), second - second.mean()
    length = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float((a * b).sum() / length) if length > 0 else 0.0
