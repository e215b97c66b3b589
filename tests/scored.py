"""Small networks, made-up scores and a reference for tests of verdicts."""

import numpy as np
import torch
from torch import nn

from triggerfish.detectors import MinNorm
from triggerfish.model.classifier import Classifier
from triggerfish.references.making import make_reference
from triggerfish.results import ClassScores, Status


def model(width: int = 5, **options) -> Classifier:
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, width), nn.ReLU(), nn.Linear(width, 8))
    return Classifier(network, (1, 4, 4), **options)


def clean_scores(count: int, seed: int = 0) -> list[np.ndarray]:
    """Class k is k/10 above zero, as classes are; noise of 0.1."""
    rng = np.random.default_rng(seed)
    return list(np.arange(8) / 10 + rng.normal(0, 0.1, (count, 8)))


def reference(count: int = 99):
    return make_reference("test", MinNorm(), model(), clean_scores(count))


def class_scores(values: np.ndarray) -> ClassScores:
    statistic = torch.from_numpy(values)
    images, logits = torch.zeros(8, 1, 4, 4), torch.zeros(8, 8)
    return ClassScores("s", statistic, (Status.CONVERGED,) * len(values), images, statistic, logits)
