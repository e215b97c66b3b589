"""One model -> `Scanned`: the stages in their order, then one conclusion."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from triggerfish._version import __version__
from triggerfish.detectors import Detector, Ensemble
from triggerfish.model.classifier import Classifier, Preprocessing
from triggerfish.references.population import Reference
from triggerfish.references.store import read_reference
from triggerfish.results import Scanned
from triggerfish.runtime import keep_freed_memory
from triggerfish.search.progress import share_of_work
from triggerfish.stages import STAGES
from triggerfish.stages.config import ScanConfig, published
from triggerfish.stages.state import State
from triggerfish.trial import with_answers
from triggerfish.verdict.judge import Judge
from triggerfish.verdict.model_checks import check_model

__all__ = ["Load", "ScanConfig", "published", "scan", "scan_classifier"]

Load = Callable[[Path], Classifier]


def scan(
    model: Classifier | nn.Module | Callable[[Tensor], object],
    detector: Detector | None = None,
    *,
    reference: Reference | Path | str | None = None,
    preprocessing: Preprocessing | None = None,
    input_shape: Sequence[int] | None = None,
    seed: int = 0,
) -> Scanned:
    """Scan one model in memory for a backdoor.

    Args:
        model: What to scan: a `Classifier`, as `load_classifier` gives it, or any module or
            callable that maps images ``(N, C, H, W)`` to logits ``(N, K)``. Neither a module's
            mode nor its parameters change.
        detector: Which statistic, with its settings; `Ensemble` with its defaults when None.
        reference: Clean models like this one, made by ``triggerfish calibrate`` with the same
            detector and settings, or the path of its file. When None, the references that ship
            are tried.
        preprocessing: How an image in [0, 1] becomes the module's input; images as they are when
            None. Not with a `Classifier`, which has its own.
        input_shape: ``(C, H, W)`` of an image. Needed for a module, not for a `Classifier`.
        seed: Decides what is random in the detector.

    Returns:
        The verdict, with the scores and the evidence behind it.

    Raises:
        ValueError: Arguments that do not fit together, or a reference made with another detector
            or other settings.
        CheckpointError: A reference that cannot be read.
        UnsupportedModelError: A model that is no image classifier, or that gradients cannot pass.

    Example:
        >>> import torch
        >>> import triggerfish as tf
        >>> network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
        >>> result = tf.scan(network, tf.MinNorm(steps=5), input_shape=(1, 8, 8))
        >>> result.verdict.name in ("clean", "backdoored", "inconclusive")
        True
        >>> len(result.verdict.anomaly_index)
        10
    """
    if isinstance(reference, (str, Path)):
        reference = read_reference(Path(reference))
    config = ScanConfig(detector or Ensemble(), Judge(reference=reference), seed)
    return scan_classifier(_as_classifier(model, input_shape, preprocessing), config)


def _as_classifier(
    model: Classifier | nn.Module | Callable[[Tensor], object],
    input_shape: Sequence[int] | None,
    preprocessing: Preprocessing | None,
) -> Classifier:
    if isinstance(model, Classifier):
        if input_shape is not None or preprocessing is not None:
            raise ValueError(
                "expected a Classifier alone, got input_shape or preprocessing: drop them"
            )
        return model
    if input_shape is None:
        raise ValueError("expected input_shape=(C, H, W) with a model that is no Classifier")
    return Classifier(model, input_shape, preprocessing=preprocessing)


def scan_classifier(
    classifier: Classifier, config: ScanConfig, path: Path | None = None, sha256: str | None = None
) -> Scanned:
    """Scan one model; ``path`` and ``sha256`` say where it is from."""
    keep_freed_memory()
    start = time.perf_counter()
    known = config.judge.known(classifier)
    state = State(classifier, config, known, findings=tuple(check_model(classifier)))
    for stage in STAGES:
        if stage.applies(state):
            with share_of_work(*stage.share(state)):
                state = state.with_(stage(state))
    assert state.scores is not None
    return Scanned(
        path=path,
        sha256=sha256,
        detector=config.detector.name,
        scores=with_answers(state.scores, classifier),
        verdict=state.verdict,
        config=config.as_plain(),
        seconds=time.perf_counter() - start,
        environment=_environment(classifier.device),
        assumptions=classifier.assumptions,
        facts=classifier.facts,
        class_names=classifier.class_names,
        confirmations=state.confirmations,
    )


def _environment(device: torch.device) -> dict[str, str]:
    return {
        "triggerfish": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "device": str(device),
        "threads": str(torch.get_num_threads()),
    }
