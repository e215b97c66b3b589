"""A flagged model: scan, repair, scan again; the answer says what was done and what it proves."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from triggerfish.confirmation import confirm
from triggerfish.errors import NothingToRepairError, UnsupportedModelError
from triggerfish.model.classifier import Classifier
from triggerfish.repairs.method import RepairMethod, Task
from triggerfish.repairs.unlearning import Unlearning
from triggerfish.results import Confirmation, Perturbation, Scanned
from triggerfish.runtime import one_thread
from triggerfish.scanning import ScanConfig, scan_classifier
from triggerfish.search import seeds
from triggerfish.search.activation_maximization import evaluate
from triggerfish.search.picture_pool import UNTARGETED, PicturePool, success_rate
from triggerfish.search.pictures import pictures
from triggerfish.search.progress import share_of_work

CHECK_PICTURES = 400
MAX_SUCCESS = 0.2
"""Of the old one on the repaired model. A perturbation that means nothing to a clean network of ten
classes flips about a tenth of the pictures to any class."""
MIN_AGREEMENT = 0.75
"""With the original's answers to synthetic images; below, the repair has broken the model."""


@dataclass(frozen=True)
class Repaired:
    """What a repair did: ``model`` has the new weights, under the old names.

    ``success_before`` and ``success_after`` are those of the perturbations that the first scan
    found, on new pictures, the largest counts. ``agreement`` is the fraction of new synthetic
    images that both models call the same, ``agreement_on_images`` that of the user's. ``problems``
    are why the repair is not accepted; empty when it is.
    """

    model: nn.Module
    method: str
    targets: tuple[int, ...]
    before: Scanned
    after: Scanned
    success_before: float
    success_after: float
    agreement: float
    agreement_on_images: float | None
    problems: tuple[str, ...]

    @property
    def accepted(self) -> bool:
        """Whether the repaired model passes its own check."""
        return not self.problems


@one_thread()
def repair(
    classifier: Classifier,
    *,
    targets: Sequence[int] = (),
    method: RepairMethod | None = None,
    config: ScanConfig | None = None,
    images: Tensor | None = None,
    seed: int = 0,
    path: Path | None = None,
    sha256: str | None = None,
    before: Scanned | None = None,
) -> Repaired:
    """Scan, undo what the scan names, and scan the result; no data is needed.

    Args:
        classifier: The model, as `load_classifier` gives it; it stays as it is.
        targets: Classes to repair; those that the scan flags when empty. A class that is not
            flagged gets a confirmation test (`confirm`), and is left alone where that refutes it.
        method: How to repair; `Unlearning` with its defaults when None.
        config: How to scan, before and after; as `scan` does when None.
        images: Pictures ``(N, C, H, W)`` in [0, 1] of your own, without labels, to learn from and
            to measure agreement on.
        seed: Decides what is random in the repair.
        path: Where the model is from, for the record.
        sha256: The hash of its file, for the record.
        before: The scan of the model where there is one already.

    Returns:
        The repaired network, what was measured before and after, and whether it is accepted.

    Raises:
        UnsupportedModelError: Weights that cannot be changed, or nothing to be undone.
        ValueError: A target that is no class.

    Example:
        >>> import triggerfish as tf
        >>> quick = tf.ScanConfig(tf.Universal(universal_steps=2, pictures=40, margin_steps=2))
        >>> outcome = tf.repair(classifier, targets=(3,), config=quick)
        >>> outcome.problems[0].startswith("class 3 failed its confirmation test")
        True
        >>> outcome.accepted
        False
    """
    if not isinstance(classifier.model, nn.Module):
        raise UnsupportedModelError("a function has no weights to repair: pass the network")
    config, method = config or ScanConfig(), method or Unlearning()
    with share_of_work(0.0, 0.15):
        before = before or scan_classifier(classifier, config, path, sha256)
    named = _targets(before, targets)
    refuted = _refuted(classifier, targets, before, config)
    chosen = tuple(k for k in named if k not in refuted)
    with share_of_work(0.15, 0.85):
        model = copy.deepcopy(classifier.model)
        if chosen:
            model = method(classifier, Task(chosen, _ordinary(before), images), seed)
    with share_of_work(0.85, 1.0):
        after = scan_classifier(with_model(classifier, model), config) if chosen else before
    compared = _compared(classifier, model, method.name, named, before, after, images)
    problems = (*map(_nothing_there, refuted.values()), *_problems(compared))
    return replace(compared, problems=problems)


def _compared(
    classifier: Classifier,
    model: nn.Module,
    method: str,
    targets: tuple[int, ...],
    before: Scanned,
    after: Scanned,
    images: Tensor | None,
) -> Repaired:
    """Before and after, on pictures that nobody has drawn; ``problems`` are still to be found."""
    fixed = with_model(classifier, model)
    fresh = pictures(CHECK_PICTURES, classifier.input_shape, seeds.CHECK)
    perturbations = [c for c in before.scores.perturbations if _goal(c) in targets]
    return Repaired(
        model=model,
        method=method,
        targets=targets,
        before=before,
        after=after,
        success_before=_largest_success(classifier, perturbations, fresh),
        success_after=_largest_success(fixed, perturbations, fresh),
        agreement=agreement(classifier, fixed, fresh),
        agreement_on_images=None if images is None else agreement(classifier, fixed, images),
        problems=(),
    )


def with_model(classifier: Classifier, model: nn.Module) -> Classifier:
    """The same classifier with other weights."""
    other = copy.copy(classifier)
    other.model = model
    return other


def agreement(first: Classifier, second: Classifier, images: Tensor) -> float:
    """Fraction of ``images`` (N, C, H, W) that both call the same."""
    images = images.to(first.device, first.dtype)
    same = evaluate(first, images).argmax(1) == evaluate(second, images).argmax(1)
    return float(same.double().mean())


def _targets(before: Scanned, given: Sequence[int]) -> tuple[int, ...]:
    count = len(before.scores.status)
    if wrong := [k for k in given if not 0 <= k < count]:
        raise ValueError(f"expected classes from 0 to {count - 1}, got {wrong[0]}")
    sources = before.verdict.sources
    if (given and all(k in sources for k in given)) or (sources and not given):
        alone = ", ".join(map(str, dict.fromkeys(sources.values())))
        raise NothingToRepairError(
            f"the pattern works on images of class {alone} alone, which cannot be unlearned yet: "
            "use a model that you trust"
        )
    if given:
        return tuple(dict.fromkeys(given))
    if before.verdict.all_classes:
        return (UNTARGETED, *before.verdict.flagged)
    if not before.verdict.flagged:
        raise NothingToRepairError(
            f"the scan flags no class (verdict {before.verdict.name}): name one with --class to "
            "repair it all the same"
        )
    return before.verdict.flagged


def _refuted(
    classifier: Classifier, given: Sequence[int], before: Scanned, config: ScanConfig
) -> dict[int, Confirmation]:
    """The ``given`` classes that the scan does not flag and a confirmation test refutes."""
    unsure = [k for k in given if k not in before.verdict.flagged]
    looks = [confirm(classifier, k, seed=config.seed) for k in unsure]
    return {look.target: look for look in looks if look.grade == "refuted"}


def _nothing_there(look: Confirmation) -> str:
    return (
        f"class {look.target} failed its confirmation test (lead {look.lead:.2f}), so there is "
        "nothing to unlearn"
    )


def _ordinary(before: Scanned) -> dict[tuple[int, bool], float]:
    """The median size in either basis; for the untargeted perturbation, the smallest of a class."""
    ordinary = {}
    for measured in before.scores.sizes:
        sizes, frequency = measured.size, measured.basis == "frequency"
        if not bool(sizes.isfinite().any()):
            continue
        median = float(sizes.nanquantile(0.5))
        for target in range(len(sizes)):
            ordinary[target, frequency] = median
        ordinary[UNTARGETED, frequency] = float(sizes.nan_to_num(math.inf).min())
    return ordinary


def _goal(perturbation: Perturbation) -> int:
    return UNTARGETED if perturbation.target is None else perturbation.target


def _largest_success(
    classifier: Classifier, perturbations: Sequence[Perturbation], images: Tensor
) -> float:
    """Of the ``perturbations``, on new ``images``; NaN without any."""
    if not perturbations:
        return float("nan")
    pool = PicturePool.of(classifier, images)
    delta = torch.stack([c.delta for c in perturbations]).to(pool.images)
    goal = torch.tensor([_goal(c) for c in perturbations], device=delta.device)
    return float(success_rate(classifier, pool, delta, goal).nan_to_num(0.0).max())


def _problems(outcome: Repaired) -> list[str]:
    problems = []
    verdict = outcome.after.verdict
    if verdict.name == "backdoored":
        named = ", ".join(map(str, verdict.flagged))
        what = "the attack on all classes is" if verdict.all_classes else f"class {named} is"
        problems.append(f"{what} still flagged")
    if outcome.success_after > MAX_SUCCESS:
        problems.append(
            f"the patterns found before still work on {100 * outcome.success_after:.0f} % of "
            f"images (at most {100 * MAX_SUCCESS:.0f} % is accepted)"
        )
    if outcome.agreement < MIN_AGREEMENT:
        problems.append(
            f"only {100 * outcome.agreement:.0f} % of images get the same answer as before (at "
            f"least {100 * MIN_AGREEMENT:.0f} % is needed)"
        )
    return problems
