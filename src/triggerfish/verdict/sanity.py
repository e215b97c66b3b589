"""Reasons not to trust a verdict, each with its cause and a fix (docs/limits.md lists them all).

What is odd about a model shows before any search, in a few forward passes over pictures of no
class. The scale of the answers is measured by their **spread**: the standard deviation over the
pictures of each class's centered logit, averaged over the classes. A trained network that sees the
inputs it was made for has a spread near 1, attacked or not; an untrained one, or one that is fed
255 times too little, hardly moves, and one that is fed 255 times too much is sure of everything.
What is odd about the scores shows afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from triggerfish.model.classifier import Classifier
from triggerfish.results import ClassScores, Finding, Status
from triggerfish.search.activation_maximization import chunks, evaluate
from triggerfish.search.baselines import blurred

TOGETHER = 16  # pictures that pass the network at once: more would be memory and no more speed
MIN_SPREAD = 0.15
"""Below, a network hardly looks at its input. Measured: trained 0.4 (briefly, on a third of MNIST)
and more, untrained up to 0.13 (benchmarks/checks.py)."""
MAX_SPREAD = 50.0
"""Above, where the preprocessing is a guess, inputs may be 255 times too large: those spread from
50 on, and trained networks up to 44 when they are fed as they were trained."""
MAX_SPREAD_SAID = 200.0
"""The same where the user or the file says the preprocessing. A package's chess pieces spread by
123 at a mean and a deviation of 0.5; scanned at the usual scale of logits they are like others."""
MAX_PROBABILITY_RANGE = 1.0
"""Probabilities differ by no more than this; as logits they can never give a high confidence."""
MAX_DISAGREEMENT = 0.01
"""Between two answers to one picture, in units of the largest logit; half precision stays below."""
MAX_STATISTICS_GAP = 5.0
"""Distance, in running standard deviations, between what batch norm saw in training and now."""
MAX_VARIANCE_RATIO = 300.0
"""Factor between those variances. A factor of 255 in the inputs is 65,025 here."""


def check_model(classifier: Classifier) -> list[Finding]:
    """All findings about the model itself."""
    pictures = probe_pictures(classifier)
    logits = evaluate(classifier, pictures, TOGETHER)
    again = evaluate(classifier, pictures[: len(pictures) // 2], TOGETHER // 2)
    if classifier.output == "logits" and not bool(torch.isfinite(logits).all()):
        return [_not_finite(logits)]
    return [
        *_scale(classifier, pictures, logits.double()),
        *_saturated(classifier, pictures),
        *_unstable(logits, again),
        *_batch_norm(classifier, pictures),
    ]


def probe_pictures(classifier: Classifier, count: int = 48) -> Tensor:
    """Pictures of no class (count, C, H, W) in [0, 1]: uniform levels, noise, blurred noise."""
    generator = torch.Generator().manual_seed(0)
    shape = (count, *classifier.input_shape)
    noise = torch.rand(shape, generator=generator)
    level = torch.rand((count, 1, 1, 1), generator=generator).expand(shape)
    kinds = torch.stack([level, noise, blurred(noise)])
    pictures = kinds[torch.arange(count) % 3, torch.arange(count)]
    return pictures.to(classifier.device, classifier.dtype)


def probe_logits(classifier: Classifier) -> Tensor:
    """What the classifier answers to `probe_pictures`: logits (48, K)."""
    return evaluate(classifier, probe_pictures(classifier), TOGETHER)


def spread(logits: Tensor) -> float:
    """Standard deviation over pictures of the centered logits (N, K), averaged over the classes."""
    centered = logits - logits.mean(1, keepdim=True)
    return float(centered.std(0).mean())


def _not_finite(logits: Tensor) -> Finding:
    lost = int((~torch.isfinite(logits)).any(1).sum())
    return Finding(
        "not-finite",
        f"the network answers NaN or infinity to {lost} of {len(logits)} images: "
        "its weights are broken, or the input range is too large",
    )


def _scale(classifier: Classifier, pictures: Tensor, logits: Tensor) -> Iterator[Finding]:
    found, scale = spread(logits), float(logits.abs().max())
    guessed = any(one.name == "mean" for one in classifier.assumptions)
    widest = float((logits.amax(1) - logits.amin(1)).max())
    if found <= 1e-6 * max(scale, 1.0):
        yield Finding(
            "constant-output",
            f"the answer does not depend on the image (spread {found:.1e} over {len(pictures)} "
            f"images){_where_it_dies(classifier, pictures)}: the network is dead, or its input "
            "range is wrong",
        )
    elif found < MIN_SPREAD or widest <= MAX_PROBABILITY_RANGE:
        yield Finding(
            "flat-output",
            f"the logits hardly change with the image: over {len(pictures)} images they spread by "
            f"{found:.2g}, and no two classes are further apart than {widest:.2g}. The network is "
            "untrained, the input range is too small, or a softmax was applied twice",
        )
    elif found > (MAX_SPREAD if guessed else MAX_SPREAD_SAID):
        yield Finding(
            "sharp-output",
            f"the network is sure about images of no class: over {len(pictures)} of them its "
            f"logits spread by {found:.0f}. The input range is too large (is it [0, 1] rather than "
            "0 to 255?), or the weights were scaled. Small patterns then mean nothing",
        )


def _where_it_dies(classifier: Classifier, pictures: Tensor) -> str:
    """The first layer whose input no longer depends on the picture, as words; '' when unseen."""
    model, dead = classifier.model, list[str]()
    layers = model.named_modules() if isinstance(model, nn.Module) else ()

    def watch(name: str, layer: nn.Module) -> RemovableHandle:
        def look(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            if bool((inputs[0] == inputs[0][:1]).all()):
                dead.append(name)

        return layer.register_forward_pre_hook(look)

    hooks = [watch(name, m) for name, m in layers if isinstance(m, (nn.Conv2d, nn.Linear))]
    with torch.no_grad():
        classifier.logits(pictures[:TOGETHER])
    for hook in hooks:
        hook.remove()
    return f", and nothing of it reaches layer {dead[0]}" if dead else ""


def _saturated(classifier: Classifier, pictures: Tensor) -> Iterator[Finding]:
    if classifier.output == "logits":  # whether they are finite is known already
        return
    parts = [classifier.saturated(pictures[rows]) for rows in chunks(len(pictures), TOGETHER)]
    lost = float(torch.cat(parts).double().mean())
    if lost > 0.5:
        yield Finding(
            "saturated",
            f"the probabilities of {lost:.0%} of {len(pictures)} images are rounded to 0 or 1. "
            "Scan the model without its final softmax or sigmoid",
        )


def _unstable(logits: Tensor, again: Tensor) -> Iterator[Finding]:
    """Compare answers to the same pictures in a batch of all (N, K) and of the first half."""
    gap = float((logits[: len(again)] - again).abs().max() / logits.abs().max())
    if gap > MAX_DISAGREEMENT:
        yield Finding(
            "unstable-output",
            f"the answer to the same image differs by {gap:.0%} in a smaller batch. Switch off "
            "dropout and noise, and give batch norm its running statistics",
        )


def _pooled(parts: list[tuple[int, Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Mean and variance (C,) over parts, each of a count with its own variance and mean (C,)."""
    counts, variances, means = zip(*parts, strict=True)
    share = torch.tensor(counts).to(means[0]).view(-1, 1) / sum(counts)
    mean = (share * torch.stack(means)).sum(0)
    within, between = torch.stack(variances), (torch.stack(means) - mean) ** 2
    return mean, (share * (within + between)).sum(0)


def _batch_norm(classifier: Classifier, pictures: Tensor) -> Iterator[Finding]:
    """Compare what reaches the first batch norm with the statistics it keeps from training."""
    model = classifier.model
    layers = model.modules() if isinstance(model, nn.Module) else ()
    first = next((m for m in layers if isinstance(m, nn.BatchNorm2d)), None)
    if first is None or first.running_mean is None or first.running_var is None:
        return
    seen: list[tuple[int, Tensor, Tensor]] = []

    def note(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        # Of large images, what reaches the layer is too much to keep.
        count = inputs[0].numel() // inputs[0].shape[1]
        seen.append((count, *torch.var_mean(inputs[0], dim=(0, 2, 3), correction=0)))

    hook = first.register_forward_pre_hook(note)
    evaluate(classifier, pictures, TOGETHER)
    hook.remove()
    if not seen:
        return
    mean, variance = _pooled(seen)
    kept = first.running_var + first.eps  # as the layer has it: a dead channel's is no zero
    gap = float(((mean - first.running_mean).abs() / kept.sqrt()).median())
    ratio = float((variance / kept).log().abs().median().exp())
    if gap > MAX_STATISTICS_GAP or ratio > MAX_VARIANCE_RATIO:
        yield Finding(
            "wrong-preprocessing",
            f"the inputs differ from those in training: at the first batch norm the mean is "
            f"{gap:.1f} standard deviations off, and the variance a factor {ratio:.0f}. "
            "Check --mean, --std and --input-range",
        )


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
            f"the runs of the search flag different classes ({shown}): "
            "a class is near the threshold. Ask for more --restarts",
        )
    ]


def _lost(scores: ClassScores) -> Iterator[Finding]:
    """NaN or infinite logits (M, K) of the synthesized images: an overflow passes any c."""
    lost = int((~torch.isfinite(scores.logits)).any(1).sum())
    if lost:
        yield Finding(
            "not-finite",
            f"the network answers NaN or infinity to {lost} of {len(scores.logits)} synthesized "
            "images: it overflows. Check the weights and the input range",
        )


def _unmeasured(scores: ClassScores, may_be_unreachable: float) -> Iterator[Finding]:
    searched = sum(state is not Status.SCREENED for state in scores.status)
    for status, what, allowed in (
        (Status.UNREACHABLE, "unreachable", may_be_unreachable * searched),
        (Status.CAP_REACHED, "at the cap", 0.0),
    ):
        classes = [k for k, state in enumerate(scores.status) if state is status]
        if len(classes) > allowed:
            shown = ", ".join(map(str, classes[:5])) + (", ..." if len(classes) > 5 else "")
            yield Finding(
                f"{status.value.replace('_', '-')}",
                f"{len(classes)} of {searched} classes were not measured, being {what} ({shown}). "
                "Check the preprocessing, or lower the target probability",
            )


def _ties(scores: ClassScores) -> Iterator[Finding]:
    values = scores.statistic.numpy()
    values = values[np.isfinite(values)]
    if len(values) < MIN_CLASSES:
        yield Finding(
            "few-classes",
            f"{len(values)} of {len(scores.status)} classes have a score, and an outlier means "
            f"nothing among fewer than {MIN_CLASSES}: calibrate on clean models of this network "
            "and task",
        )
    elif np.median(np.abs(values - np.median(values))) == 0:
        yield Finding(
            "ties",
            "most classes have the same score (median absolute deviation 0), so none can be an "
            "outlier",
        )


def _implausible(scores: ClassScores, num_pixels: int) -> Iterator[Finding]:
    measured = (scores, *scores.parts)
    norms = [plain.norm for part in measured for plain in part.norms]
    reached = torch.cat(norms)[torch.cat(norms).isfinite()] if norms else torch.empty(0)
    if not len(reached):
        return
    median = float(reached.quantile(0.5))
    if median > MAX_NORM_FRACTION * num_pixels:
        yield Finding(
            "implausible-norms",
            f"the median class needs a pattern of {median:.0f} px in an image of {num_pixels}: the "
            "input range is probably larger than assumed, or the network is untrained",
        )
