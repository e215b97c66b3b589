"""Reasons not to trust a verdict, each with its cause and a fix (docs/limits.md lists them all).

Those about the statistics are here, those about the model itself in `model_checks`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from triggerfish.results import ClassScores, Finding, Status

MIN_CLASSES = 6
"""With fewer values a median and a spread say nothing about one of them."""
MAX_NORM_FRACTION = 0.35
"""A median minimum norm above this fraction of all pixels: the box hardly moves the network."""


def check_scores(
    scores: ClassScores, num_pixels: int, may_be_unreachable: float = 0.0
) -> list[Finding]:
    """What is odd about the statistics (K,): not finite, too few, ties, unreachable.

    ``may_be_unreachable`` is the fraction of the searched classes that may be out of reach.
    """
    return [
        *_lost(scores),
        *_unmeasured(scores, may_be_unreachable),
        *_ties(scores),
        *_implausible(scores, num_pixels),
    ]


def check_restarts(flagged: tuple[int, ...], runs: Sequence[tuple[int, ...]]) -> list[Finding]:
    """What the flags of single runs say about those of all runs together."""
    if all(run == flagged for run in runs):
        return []
    shown = "; ".join(", ".join(map(str, run)) or "none" for run in runs)
    return [
        Finding(
            "runs-disagree",
            f"expected every run of the search to flag the same classes, got {shown}: "
            "a class is near the threshold; ask for more --restarts",
        )
    ]


def _lost(scores: ClassScores) -> Iterator[Finding]:
    """NaN or infinite logits (M, K) of the synthesized images: an overflow passes any c."""
    lost = int((~torch.isfinite(scores.logits)).any(1).sum())
    if lost:
        yield Finding(
            "not-finite",
            f"expected finite logits of the synthesized images, got NaN or infinity for {lost} of "
            f"{len(scores.logits)}: the network overflows; check the weights and the input range",
        )


def _unmeasured(scores: ClassScores, may_be_unreachable: float) -> Iterator[Finding]:
    searched = sum(state is not Status.SCREENED for state in scores.status)
    wanted = "every class" if may_be_unreachable == 0 else "most classes"
    for status, what, allowed in (
        (Status.UNREACHABLE, "unreachable", may_be_unreachable * searched),
        (Status.CAP_REACHED, "at the cap", 0.0),
    ):
        classes = [k for k, state in enumerate(scores.status) if state is status]
        if len(classes) > allowed:
            shown = ", ".join(map(str, classes[:5])) + (", ..." if len(classes) > 5 else "")
            yield Finding(
                f"{status.value.replace('_', '-')}",
                f"expected {wanted} to be measured, got {len(classes)} {what} ({shown}): "
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
    measured = (scores, *scores.parts)
    norms = [v for s in measured for n, v in s.details.items() if n.startswith("min_norm")]
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
