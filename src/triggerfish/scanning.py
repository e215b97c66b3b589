"""One model -> `Scanned`; many paths -> an iterator of `Scanned` and `Skipped`."""

from __future__ import annotations

import pickle
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import torch
from torch import Tensor, nn

from triggerfish._version import __version__
from triggerfish.detectors import DETECTORS, Detector, L1Weight, MinNorm
from triggerfish.detectors.base import settings_of
from triggerfish.errors import CheckpointError, UnsupportedModelError
from triggerfish.loading import load_classifier, sha256_of
from triggerfish.model.classifier import Classifier, Preprocessing
from triggerfish.results import Scanned, Skipped
from triggerfish.runtime import keep_freed_memory
from triggerfish.verdict.judge import Judge, published_judge
from triggerfish.verdict.model_checks import check_model
from triggerfish.verdict.reference_file import read_reference

Load = Callable[[Path], Classifier]
Work = Callable[[Path], Scanned | Skipped]


@dataclass(frozen=True)
class ScanConfig:
    """What to run and how to judge it.

    ``judge`` turns the detector's scores into a verdict. ``seed`` decides what is random in the
    detector.
    """

    detector: Detector = field(default_factory=MinNorm)
    judge: Judge = field(default_factory=Judge)
    seed: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.detector, Detector):
            raise ValueError(
                f"expected a detector of {list(DETECTORS)} with its settings, such as MinNorm(), "
                f"got {self.detector!r}"
            )
        self.judge.check(self.detector)

    def as_plain(self) -> dict[str, object]:
        """The configuration as plain data, as it is stored in every result."""
        return {
            "detector": self.detector.name,
            "settings": settings_of(self.detector),
            "judge": self.judge.as_plain(),
            "seed": self.seed,
        }


def published(detector: L1Weight | None = None) -> ScanConfig:
    """The published system, to the letter: L1-weight search, two-sided MAD at 3.5."""
    detector = detector or L1Weight()
    return ScanConfig(detector, published_judge(detector.max_l1_weight))


def scan(
    model: Classifier | nn.Module | Callable[[Tensor], object],
    detector: Detector | None = None,
    *,
    reference: Path | str | None = None,
    preprocessing: Preprocessing | None = None,
    input_shape: Sequence[int] | None = None,
    seed: int = 0,
) -> Scanned:
    """Scan one model in memory.

    A `Classifier` is scanned as it is; a module or callable needs its ``input_shape`` (C, H, W)
    and the ``preprocessing`` that its images in [0, 1] were given. Neither the module's mode nor
    its parameters change.
    """
    judge = Judge(reference=None if reference is None else read_reference(Path(reference)))
    config = ScanConfig(detector or MinNorm(), judge, seed)
    if not isinstance(model, Classifier):
        if input_shape is None:
            raise ValueError("expected input_shape=(C, H, W) with a model that is no Classifier")
        model = Classifier(model, input_shape, preprocessing=preprocessing)
    elif input_shape is not None or preprocessing is not None:
        raise ValueError(
            "expected no input_shape and no preprocessing with a Classifier: drop them"
        )
    return scan_classifier(model, config)


def scan_classifier(
    classifier: Classifier, config: ScanConfig, path: Path | None = None, sha256: str | None = None
) -> Scanned:
    """Scan one model; ``path`` and ``sha256`` say where it is from."""
    start = time.perf_counter()
    findings = check_model(classifier)
    scores = config.detector(classifier, config.seed)
    verdict = config.judge(scores, classifier, config.detector, findings)
    return Scanned(
        path=path,
        sha256=sha256,
        detector=config.detector.name,
        scores=scores,
        verdict=verdict,
        config=config.as_plain(),
        seconds=time.perf_counter() - start,
        environment=_environment(classifier.device),
        assumptions=classifier.assumptions,
    )


def scan_path(path: Path, config: ScanConfig, load: Load = load_classifier) -> Scanned | Skipped:
    """Load and scan one checkpoint. What cannot be loaded is `Skipped`, with the reason."""
    try:
        return scan_classifier(load(path), config, path, sha256_of(path))
    except (CheckpointError, UnsupportedModelError) as error:
        return Skipped(path, str(error))


def scan_paths(
    paths: Iterable[Path],
    config: ScanConfig | None = None,
    *,
    load: Load = load_classifier,
    jobs: int = 1,
) -> Iterator[Scanned | Skipped]:
    """Scan checkpoints, in their order; with ``jobs`` > 1 in that many processes of one thread.

    ``load`` must then be picklable. One thread a process beats several threads on one model
    (docs/performance.md), and gives the same results as one process with one thread.
    """
    work = partial(scan_path, config=config or ScanConfig(), load=load)
    if jobs == 1:
        yield from map(work, paths)
    else:
        yield from _in_processes(work, list(paths), jobs)


def _in_processes(work: Work, paths: Sequence[Path], jobs: int) -> Iterator[Scanned | Skipped]:
    """``work`` on every path, in order. A model whose process dies is tried once more, alone."""
    waiting = list(paths)
    while waiting:
        with _pool(jobs) as pool:
            futures = [pool.submit(_packed, work, path) for path in waiting]
            try:
                for future in futures:
                    yield pickle.loads(future.result())
                    waiting.pop(0)
                continue
            except BrokenProcessPool:
                pass
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
        yield _alone(work, waiting.pop(0))


def _alone(work: Work, path: Path) -> Scanned | Skipped:
    with _pool(1) as pool:
        try:
            result: Scanned | Skipped = pickle.loads(pool.submit(_packed, work, path).result())
        except BrokenProcessPool:
            return Skipped(
                path,
                "expected the scan to end, got a process that died, perhaps for lack of memory: "
                "try a smaller memory budget",
            )
    return result


def _pool(jobs: int) -> ProcessPoolExecutor:
    context = get_context("spawn")
    return ProcessPoolExecutor(jobs, mp_context=context, initializer=_prepare_worker)


def _packed(work: Work, path: Path) -> bytes:
    """The result as bytes: tensors would otherwise travel through shared memory, which is small."""
    return pickle.dumps(work(path))


def _prepare_worker() -> None:
    torch.set_num_threads(1)
    keep_freed_memory()


def _environment(device: torch.device) -> dict[str, str]:
    return {
        "triggerfish": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "device": str(device),
        "threads": str(torch.get_num_threads()),
    }
