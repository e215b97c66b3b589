"""One model -> `Scanned`; many paths -> an iterator of `Scanned` and `Skipped`."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from triggerfish._version import __version__
from triggerfish.classifier import Classifier, Preprocessing
from triggerfish.detectors import DETECTORS
from triggerfish.detectors.l1_weight import L1WeightConfig
from triggerfish.errors import CheckpointError, UnsupportedModelError
from triggerfish.loading import load_classifier, sha256_of
from triggerfish.outliers import OUTLIER_TESTS, PUBLISHED_THRESHOLD, Outliers
from triggerfish.results import ClassScores, Scanned, Skipped, Status, Verdict

Load = Callable[[Path], Classifier]


@dataclass(frozen=True)
class ScanConfig:
    """What to run and how to judge it.

    ``settings`` is the detector's own config (its defaults when None); ``threshold`` goes to the
    outlier test, in units of its anomaly index (its default when None). ``published_fill`` counts
    unreachable classes as 0 and capped ones as the cap, as the published scripts do; without it
    they are not measured, and the verdict is inconclusive.
    """

    detector: str = "min-norm"
    settings: object = None
    outlier_test: str = "largest"
    threshold: float | None = 0.9
    published_fill: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.detector not in DETECTORS:
            raise ValueError(f"expected a detector of {list(DETECTORS)}, got {self.detector!r}")
        if self.outlier_test not in OUTLIER_TESTS:
            raise ValueError(
                f"expected an outlier test of {list(OUTLIER_TESTS)}, got {self.outlier_test!r}"
            )
        expected = DETECTORS[self.detector].config
        if self.settings is None:
            object.__setattr__(self, "settings", expected())
        elif not isinstance(self.settings, expected):
            raise ValueError(
                f"expected settings of type {expected.__name__} for {self.detector}, "
                f"got {type(self.settings).__name__}"
            )


def published(settings: L1WeightConfig | None = None) -> ScanConfig:
    """The published system, to the letter: L1-weight search, two-sided MAD at 3.5."""
    return ScanConfig(
        detector="l1-weight",
        settings=settings or L1WeightConfig(),
        outlier_test="two-sided-mad",
        threshold=PUBLISHED_THRESHOLD,
        published_fill=True,
    )


def scan(
    model: Classifier | nn.Module | Callable[[Tensor], object],
    config: ScanConfig | None = None,
    *,
    input_shape: Sequence[int] | None = None,
    preprocessing: Preprocessing | None = None,
    path: Path | None = None,
    sha256: str | None = None,
) -> Scanned:
    """Scan one model in memory.

    A `Classifier` is scanned as it is; a module or callable needs its ``input_shape`` (C, H, W)
    and, unless it takes images in [0, 1], its ``preprocessing``.
    """
    config = config or ScanConfig()
    if not isinstance(model, Classifier):
        if input_shape is None:
            raise ValueError("expected input_shape=(C, H, W) with a model that is no Classifier")
        model = Classifier(model, input_shape, preprocessing=preprocessing)
    start = time.perf_counter()
    scores = DETECTORS[config.detector].run(model, config.settings, config.seed)
    return Scanned(
        path=path,
        sha256=sha256,
        detector=config.detector,
        scores=scores,
        verdict=judge(scores, config),
        config=asdict(config),
        seconds=time.perf_counter() - start,
        environment=_environment(model.device),
    )


def scan_paths(
    paths: Iterable[Path], config: ScanConfig | None = None, *, load: Load = load_classifier
) -> Iterator[Scanned | Skipped]:
    """Scan checkpoints one by one, in order. A file that cannot be loaded is `Skipped`."""
    for path in paths:
        yield scan_path(path, config or ScanConfig(), load)


def scan_path(path: Path, config: ScanConfig, load: Load = load_classifier) -> Scanned | Skipped:
    """Load and scan one checkpoint."""
    try:
        classifier = load(path)
        return scan(classifier, config, path=path, sha256=sha256_of(path))
    except (CheckpointError, UnsupportedModelError) as error:
        return Skipped(path, str(error))


def judge(scores: ClassScores, config: ScanConfig) -> Verdict:
    """Outlier test and reasons -> verdict. Flags stand even when other classes are not measured."""
    values = scores.statistic.numpy()
    missing = [k for k, s in enumerate(scores.status) if s is not Status.CONVERGED]
    reasons = [f"class {k} {scores.status[k].value}" for k in missing]
    if config.published_fill:
        values, reasons = _published_fill(values, scores, config), []
    measured = np.isfinite(values)
    if measured.sum() < 3:
        reasons.append(f"expected at least 3 measured classes, got {int(measured.sum())}")
        return Verdict("inconclusive", (), tuple(values.tolist()), np.nan, tuple(reasons))
    test = OUTLIER_TESTS[config.outlier_test]
    found: Outliers = test(values) if config.threshold is None else test(values, config.threshold)
    name = "backdoored" if found.flagged else "inconclusive" if reasons else "clean"
    return Verdict(
        name=name,  # type: ignore[arg-type]
        flagged=found.flagged,
        anomaly_index=tuple(found.anomaly_index.tolist()),
        threshold=found.threshold,
        reasons=tuple(reasons),
        p_value=found.p_value,
    )


def _published_fill(
    values: np.ndarray[tuple[int], np.dtype[np.float64]], scores: ClassScores, config: ScanConfig
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    cap = config.settings.max_l1_weight if isinstance(config.settings, L1WeightConfig) else np.nan
    fill = {Status.UNREACHABLE: 0.0, Status.CAP_REACHED: cap}
    pairs = zip(values, scores.status, strict=True)
    return np.array([fill.get(status, value) for value, status in pairs])


def _environment(device: torch.device) -> dict[str, str]:
    return {
        "triggerfish": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "device": str(device),
        "threads": str(torch.get_num_threads()),
    }
