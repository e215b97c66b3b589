"""Reasons not to trust a verdict, each with its cause and a fix (docs/limits.md lists them all)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from triggerfish.classifier import Classifier
from triggerfish.results import ClassScores, Status

MIN_CLASSES = 6
"""With fewer values a median and a spread say nothing about one of them."""
MAX_NORM_FRACTION = 0.35
"""A median minimum norm above this fraction of all pixels: the box hardly moves the network."""
MAX_STATISTICS_GAP = 5.0
"""Distance, in running standard deviations, between what batch norm saw in training and now."""
MAX_VARIANCE_RATIO = 300.0
"""Factor between those variances. A factor of 255 in the inputs is 65,025 here."""


@dataclass(frozen=True)
class Finding:
    """``code`` is a stable name; ``text`` reads *expected X, got Y: fix*."""

    code: str
    text: str

    def __str__(self) -> str:
        return f"{self.text} [{self.code}]"


def probe_pictures(classifier: Classifier, count: int = 32) -> Tensor:
    """Pictures of no class (count, C, H, W) in [0, 1]: uniform levels, noise, blurred noise."""
    generator = torch.Generator().manual_seed(0)
    shape = (count, *classifier.input_shape)
    noise = torch.rand(shape, generator=generator)
    level = torch.rand((count, 1, 1, 1), generator=generator).expand(shape)
    smooth = nn.functional.avg_pool2d(noise, 5, stride=1, padding=2, count_include_pad=False)
    smooth = ((smooth - 0.5) * 4 + 0.5).clamp(0, 1)
    kinds = torch.stack([level, noise, smooth])
    pictures = kinds[torch.arange(count) % 3, torch.arange(count)]
    return pictures.to(classifier.device, classifier.dtype)


def check_model(classifier: Classifier) -> list[Finding]:
    """What is odd about the model itself, before any search."""
    pictures = probe_pictures(classifier)
    with torch.no_grad():
        logits = classifier.logits(pictures)
    return [*_output_findings(classifier, pictures, logits), *_batch_norm(classifier, pictures)]


def check_scores(scores: ClassScores, num_pixels: int) -> list[Finding]:
    """What is odd about the statistics (K,): too few, ties, unreachable, implausible."""
    return [*_unmeasured(scores), *_ties(scores), *_implausible(scores, num_pixels)]


def _output_findings(classifier: Classifier, pictures: Tensor, logits: Tensor) -> Iterator[Finding]:
    spread = float(logits.std(0).max())
    scale = float(logits.abs().max())
    if spread <= 1e-6 * max(scale, 1.0):
        yield Finding(
            "constant-output",
            f"expected outputs that depend on the image, got a spread of {spread:.1e} over "
            f"{len(pictures)} pictures: the network is dead, or its input range is wrong",
        )
    lost = float(classifier.saturated(pictures).double().mean())
    if lost > 0.5:
        yield Finding(
            "saturated",
            f"expected probabilities strictly between 0 and 1, got {lost:.0%} of {len(pictures)} "
            "pictures rounded to 0 or 1: scan the model without its final softmax or sigmoid",
        )


def _batch_norm(classifier: Classifier, pictures: Tensor) -> Iterator[Finding]:
    """Compare what reaches the first batch norm with the statistics it keeps from training."""
    model = classifier.model
    layers = model.modules() if isinstance(model, nn.Module) else ()
    first = next((m for m in layers if isinstance(m, nn.BatchNorm2d)), None)
    if first is None or first.running_mean is None or first.running_var is None:
        return
    seen: list[Tensor] = []
    hook = first.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        classifier.logits(pictures)
    hook.remove()
    if not seen:
        return
    variance, mean = torch.var_mean(seen[0], dim=(0, 2, 3))
    kept = first.running_var + first.eps
    gap = float(((mean - first.running_mean).abs() / kept.sqrt()).median())
    ratio = float((variance / kept).log().abs().median().exp())
    if gap > MAX_STATISTICS_GAP or ratio > MAX_VARIANCE_RATIO:
        yield Finding(
            "wrong-preprocessing",
            f"expected inputs like those in training, got a first batch norm {gap:.1f} standard "
            f"deviations off its running mean and a factor {ratio:.0f} off its variance: "
            "check --mean, --std and --input-range",
        )


def _unmeasured(scores: ClassScores) -> Iterator[Finding]:
    for status, what in ((Status.UNREACHABLE, "unreachable"), (Status.CAP_REACHED, "at the cap")):
        classes = [k for k, s in enumerate(scores.status) if s is status]
        if classes:
            shown = ", ".join(map(str, classes[:5])) + (", ..." if len(classes) > 5 else "")
            yield Finding(
                f"{status.value.replace('_', '-')}",
                f"expected every class to be measured, got {len(classes)} {what} ({shown}): "
                "check the preprocessing, or lower the target probability",
            )


def _ties(scores: ClassScores) -> Iterator[Finding]:
    values = scores.statistic.numpy()
    values = values[np.isfinite(values)]
    if len(values) < MIN_CLASSES:
        yield Finding(
            "few-classes",
            f"expected at least {MIN_CLASSES} measured classes, got {len(values)}: "
            "an outlier among so few means nothing; use a calibrated reference",
        )
    elif np.median(np.abs(values - np.median(values))) == 0:
        yield Finding(
            "ties",
            "expected different statistics, got a median absolute deviation of 0: "
            "most classes tie, so none can stand out",
        )


def _implausible(scores: ClassScores, num_pixels: int) -> Iterator[Finding]:
    norms = [v for name, v in scores.details.items() if name.startswith("min_norm")]
    reached = torch.cat(norms)[torch.cat(norms).isfinite()] if norms else torch.empty(0)
    if not len(reached):
        return
    median = float(reached.quantile(0.5))
    if median > MAX_NORM_FRACTION * num_pixels:
        yield Finding(
            "implausible-norms",
            f"expected classes within reach, got a median minimum norm of {median:.0f} of "
            f"{num_pixels} pixels: the input range is probably larger than assumed, or the "
            "network is untrained",
        )
