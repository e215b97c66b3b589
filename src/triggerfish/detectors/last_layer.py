"""A last-layer weight outlier test in the style of DFBScanner (arXiv 2605.18907), for comparison.

No optimization: four indicators of each class's row in the final linear layer (Euclidean norm,
bias, mean, skewness), each turned into |z| by median and MAD; the statistic is the largest of them.
The publication's own thresholds are not used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from triggerfish.detectors.base import Detector
from triggerfish.errors import UnsupportedModelError
from triggerfish.model.classifier import Classifier
from triggerfish.results import ClassScores, Status
from triggerfish.search.activation_maximization import evaluate
from triggerfish.statistics.outliers import (
    MAD_TO_SIGMA,
    Largest,
)


@dataclass(frozen=True)
class LastLayer(Detector):
    """The largest |z| of four indicators of each class's last-layer weights. Nothing to set.

    Example:
        >>> import triggerfish as tf
        >>> scores = tf.LastLayer()(classifier, seed=0)
        >>> scores.statistic.shape
        torch.Size([10])
    """

    name: ClassVar[str] = "last-layer"
    summary: ClassVar[str] = "outlying last-layer weights (for comparison)"
    outlier_test: ClassVar[Largest] = Largest()

    def __call__(self, classifier: Classifier, seed: int = 0) -> ClassScores:
        """Largest indicator of every class. Images are black: the test looks at weights alone.

        Raises `UnsupportedModelError` where no final linear layer with one row per class is found.
        """
        weight, bias = _final_linear(classifier)
        centered = weight - weight.mean(1, keepdim=True)
        skewness = (centered**3).mean(1) / centered.pow(2).mean(1).clamp_min(1e-12) ** 1.5
        indicators = {
            "row_norm": weight.norm(dim=1),
            "bias": bias,
            "row_mean": weight.mean(1),
            "row_skewness": skewness,
        }
        scores = torch.stack([_absolute_z(values) for values in indicators.values()])
        count = classifier.num_classes
        black = torch.zeros(
            count, *classifier.input_shape, device=classifier.device, dtype=classifier.dtype
        )
        logits = evaluate(classifier, black).double().cpu()
        return ClassScores(
            name="max_indicator",
            statistic=scores.amax(0).cpu(),
            status=(Status.CONVERGED,) * count,
            images=black.cpu(),
            probability=logits.softmax(1).diagonal(),
            logits=logits,
            details={name: values.cpu() for name, values in indicators.items()},
        )


def _final_linear(classifier: Classifier) -> tuple[Tensor, Tensor]:
    """Weight (K, F) and bias (K,) of the last linear layer, in float64."""
    modules = classifier.model.modules() if isinstance(classifier.model, nn.Module) else ()
    layers = [module for module in modules if isinstance(module, nn.Linear)]
    if not layers or layers[-1].out_features != classifier.num_classes:
        raise UnsupportedModelError(
            f"expected a final nn.Linear with {classifier.num_classes} outputs, got none: "
            "the last-layer test cannot be used on this model"
        )
    weight = layers[-1].weight.detach().double()
    bias = layers[-1].bias
    return weight, torch.zeros_like(weight[:, 0]) if bias is None else bias.detach().double()


def _absolute_z(values: Tensor) -> Tensor:
    centered = values - values.quantile(0.5)
    mad = centered.abs().quantile(0.5).clamp_min(1e-12)
    return MAD_TO_SIGMA * centered.abs() / mad
