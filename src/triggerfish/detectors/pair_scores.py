"""What detectors of class pairs have in common: a class is as suspicious as its worst source."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from triggerfish.model.classifier import Classifier
from triggerfish.results import ClassScores, Pairs, Status
from triggerfish.search.activation_maximization import evaluate
from triggerfish.statistics.scores import largest_into


def pair_scores(
    classifier: Classifier, name: str, pairs: Pairs, size: str, shown: Callable[[Tensor], Tensor]
) -> ClassScores:
    """The scores ``name`` of all classes from those of ``pairs``; ``size`` names the pair's norm.

    ``shown`` maps each class's most suspicious source (K,) to an image of it with the perturbation
    (K, C, H, W). A class without any measured pair is unreachable.
    """
    statistic, sources = largest_into(pairs.score)
    images = shown(sources)
    logits = evaluate(classifier, images).double().cpu()
    reached = statistic.isfinite()
    return ClassScores(
        name=name,
        statistic=statistic,
        status=tuple(Status.CONVERGED if r else Status.UNREACHABLE for r in reached.tolist()),
        images=images.cpu(),
        probability=logits.softmax(1).diagonal(),
        logits=logits,
        details={
            "source": torch.where(reached, sources.double(), torch.nan),
            size: pairs.norm[sources, torch.arange(len(sources))],
        },
        pairs=pairs,
    )
