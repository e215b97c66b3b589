"""One model -> `Scanned`: the stages in their order, then one conclusion."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from pathlib import Path

import torch

from triggerfish._version import __version__
from triggerfish.model.classifier import Classifier
from triggerfish.model.memory import give_back_freed_memory, give_back_if_much
from triggerfish.model.temperature import at_temperature, temperature_of
from triggerfish.results import Scanned
from triggerfish.runtime import keep_freed_memory
from triggerfish.search.progress import share_of_work
from triggerfish.stages import STAGES, share_of
from triggerfish.stages.state import ScanConfig, State, published
from triggerfish.trial import with_answers
from triggerfish.verdict.sanity import check_model, probe_logits, spread

__all__ = ["Load", "ScanConfig", "published", "scan_classifier"]

Load = Callable[[Path], Classifier]


def scan_classifier(
    classifier: Classifier, config: ScanConfig, path: Path | None = None, sha256: str | None = None
) -> Scanned:
    """Scan one model; ``path`` and ``sha256`` say where it is from."""
    keep_freed_memory()
    start = time.perf_counter()
    findings = tuple(check_model(classifier))
    if config.judge.published_fill is None:  # what is published knows no temperature
        scale = spread(probe_logits(classifier).double())
        classifier = at_temperature(classifier, temperature_of(scale))
    state = State(classifier, config, config.judge.known(classifier), findings=findings)
    give_back_freed_memory()  # the checks' batches are the largest of all without a gradient
    for stage in STAGES:
        if stage.applies(state):
            with share_of_work(*share_of(stage, state)):
                state = state.with_(stage(state))
            give_back_if_much()
    assert state.scores is not None
    return Scanned(
        path=path,
        sha256=sha256,
        detector=config.detector.name,
        scores=with_answers(state.scores, classifier),
        verdict=state.verdict,
        config=config.as_plain(),
        seconds=time.perf_counter() - start,
        environment={
            "triggerfish": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
            "device": str(classifier.device),
            "threads": str(torch.get_num_threads()),
        },
        assumptions=classifier.assumptions,
        facts=classifier.facts,
        class_names=classifier.class_names,
        confirmations=state.confirmations,
        stamps=state.stamps,
    )
