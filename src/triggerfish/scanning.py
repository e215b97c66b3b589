"""One model -> `Scanned`; many paths -> an iterator of `Scanned` and `Skipped`."""

from __future__ import annotations

import pickle
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from triggerfish._version import __version__
from triggerfish.ambiguity import scan_candidates
from triggerfish.detectors import DETECTORS
from triggerfish.detectors.l1_weight import L1WeightConfig
from triggerfish.errors import CheckpointError, UnsupportedModelError
from triggerfish.loading import LoadedModel, open_candidates, sha256_of
from triggerfish.model.classifier import Classifier, Preprocessing
from triggerfish.results import Scanned, Skipped
from triggerfish.runtime import keep_freed_memory
from triggerfish.statistics.outliers import OUTLIER_TESTS
from triggerfish.verdict.judge import Judge, published_judge
from triggerfish.verdict.model_checks import check_model

Load = Callable[[Path], Classifier | Sequence[LoadedModel]]
Work = Callable[[Path], Scanned | Skipped]


@dataclass(frozen=True)
class ScanConfig:
    """What to run and how to judge it.

    ``settings`` is the detector's own config, its defaults when None. ``judge`` turns the scores
    into a verdict. ``seed`` decides what is random in the detector.
    """

    detector: str = "min-norm"
    settings: Any = None
    judge: Judge = field(default_factory=Judge)
    seed: int = 0

    def __post_init__(self) -> None:
        if self.detector not in DETECTORS:
            raise ValueError(f"expected a detector of {list(DETECTORS)}, got {self.detector!r}")
        known = DETECTORS[self.detector]
        if self.settings is None:
            object.__setattr__(self, "settings", known.config())
        elif not isinstance(self.settings, known.config):
            raise ValueError(
                f"expected settings of type {known.config.__name__} for {self.detector}, "
                f"got {type(self.settings).__name__}"
            )
        if self.judge.outlier_test is not None and self.judge.outlier_test not in OUTLIER_TESTS:
            raise ValueError(
                f"expected an outlier test of {list(OUTLIER_TESTS)}, "
                f"got {self.judge.outlier_test!r}"
            )


def published(settings: L1WeightConfig | None = None) -> ScanConfig:
    """The published system, to the letter: L1-weight search, two-sided MAD at 3.5."""
    settings = settings or L1WeightConfig()
    return ScanConfig("l1-weight", settings, published_judge(settings.max_l1_weight))


def scan(
    model: Classifier | nn.Module | Callable[[Tensor], object],
    config: ScanConfig | None = None,
    *,
    input_shape: Sequence[int] | None = None,
    mean: Sequence[float] = (0.0,),
    std: Sequence[float] = (1.0,),
    path: Path | None = None,
    sha256: str | None = None,
) -> Scanned:
    """Scan one model in memory.

    A `Classifier` is scanned as it is; a module or callable needs its ``input_shape`` (C, H, W)
    and the ``mean`` and ``std`` that its images in [0, 1] were normalised with, one value or one
    a channel. Neither the module's mode nor its parameters change.
    """
    config = config or ScanConfig()
    if not isinstance(model, Classifier):
        if input_shape is None:
            raise ValueError("expected input_shape=(C, H, W) with a model that is no Classifier")
        preprocessing = Preprocessing(tuple(mean), tuple(std))
        model = Classifier(model, input_shape, preprocessing=preprocessing)
    start = time.perf_counter()
    findings = check_model(model)
    scores = DETECTORS[config.detector].run(model, config.settings, config.seed)
    verdict = config.judge(scores, model, config.detector, asdict(config.settings), findings)
    return Scanned(
        path=path,
        sha256=sha256,
        detector=config.detector,
        scores=scores,
        verdict=verdict,
        config=asdict(config),
        seconds=time.perf_counter() - start,
        environment=_environment(model.device),
        assumptions=model.assumptions,
    )


def scan_path(path: Path, config: ScanConfig, load: Load = open_candidates) -> Scanned | Skipped:
    """Load and scan one checkpoint. What cannot be loaded is `Skipped`, with the reason."""
    try:
        one = partial(scan, config=config, path=path, sha256=sha256_of(path))
        return scan_candidates(load(path), one)
    except (CheckpointError, UnsupportedModelError) as error:
        return Skipped(path, str(error))


def scan_paths(
    paths: Iterable[Path],
    config: ScanConfig | None = None,
    *,
    load: Load = open_candidates,
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
