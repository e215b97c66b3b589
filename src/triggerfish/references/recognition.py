"""By what a model is told to belong to a population: its shape, its task's geometry, its answers.

A **fingerprint** is the same in every file format. Names differ between formats, parameters of one
are constants of another, matrices are transposed, and an export folds batch norm into the
convolution before it. What stays are the shapes of the weights themselves: all floating-point
tensors with at least two sides, whatever the order of the sides. Biases, running statistics and
constants of the preprocessing have one side and are left out, and so is the type of the numbers.
Two networks of one fingerprint are of the same shape; that they were trained alike is a claim that
only their owner can make (`Reference.recipe`).

**Answers** tell the task. Networks that were trained apart, on one data set, answer alike on
synthetic images; networks for another data set, or with their classes in another order, do not. So
the answers of a few clean networks tell whether another one has the same classes in the same order,
without one image of the data. How well is in docs/method.md.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from torch import Tensor, nn

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


_DIGITS = 4  # of a mean or a deviation, so that 33.33 of 255 is 0.1307


def fingerprint(classifier: Classifier) -> tuple[str, dict[str, object]]:
    """The network as a digest, and the task's geometry as plain data.

    The digest is '' for a callable, or a module without weights: such a network is like none.
    """
    model, shapes = classifier.model, list[list[int]]()
    seen: set[tuple[int, tuple[int, ...]]] = set()
    for tensor in model.state_dict().values() if isinstance(model, nn.Module) else ():
        if not isinstance(tensor, Tensor) or not tensor.is_floating_point():
            continue
        # In ascending order, without those of one: formats transpose weights and add sides.
        sides = sorted(side for side in tensor.shape if side != 1)
        # A shared weight has several names, in some formats, and counts once.
        key = (tensor.data_ptr(), tuple(tensor.shape))
        if len(sides) > 1 and key not in seen:
            seen.add(key)
            shapes.append(sides)
    digest = ""
    if shapes:
        digest = hashlib.sha256(json.dumps(sorted(shapes)).encode()).hexdigest()[:16]
    task = geometry(classifier.input_shape, classifier.num_classes)
    # Mean and deviation of each channel for images in [0, 1], whatever range the network is fed:
    # files that differ in that alone are of one task.
    preprocessing = classifier.preprocessing
    low, high = preprocessing.input_range
    for name, values, zero in (("mean", preprocessing.mean, low), ("std", preprocessing.std, 0.0)):
        scaled = [(value - zero) / (high - low) for value in values]
        rounded = [float(f"{value:.{_DIGITS}g}") for value in scaled]
        task[name] = rounded * classifier.input_shape[0] if len(rounded) == 1 else rounded
    return digest, task
