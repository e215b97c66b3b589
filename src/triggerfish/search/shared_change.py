"""One change for several images at once, as a classifier of its own.

A trigger needs no more for all images of a class than for one; a change that was fitted to one
image does little for the next. So the search is for one change that works on all of them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from triggerfish.model.classifier import Classifier

NO_CHANGE = 0.5
"""The value of a pixel of the new classifier's image that stands for no change."""
SCALE = 2.0
"""A step in the new image is this much change: [0, 1] must hold changes from -1 to 1."""


def shared_change(classifier: Classifier, images: Tensor) -> Classifier:
    """A classifier of changes: the classes of ``images`` (E, C, H, W), all changed alike.

    Its image u in [0, 1] adds ``2 u - 1`` to each of them, clamped to [0, 1]; its logits are the
    mean of theirs, so that the log-odds of a class are those of a vote by product of probabilities.
    """

    def mean_logits(u: Tensor) -> Tensor:
        changed = apply_change(images.unsqueeze(1), u)
        logits = classifier.logits(changed.flatten(0, 1))
        return logits.view(len(images), len(u), -1).mean(0)

    return Classifier(
        mean_logits,
        classifier.input_shape,
        output="logits",
        device=classifier.device,
        dtype=classifier.dtype,
    )


def apply_change(images: Tensor, u: Tensor) -> Tensor:
    """``images`` with the changes that ``u`` stands for; shapes broadcast."""
    return torch.clamp(images + SCALE * (u - NO_CHANGE), 0.0, 1.0)
