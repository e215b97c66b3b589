"""What the benchmarks share: results on disk, models of a zoo, timing."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch

from triggerfish.loading import load_classifier
from triggerfish.model.classifier import Classifier
from triggerfish.reproduce import ZOO_FOLDERS

RESULTS = Path(__file__).parent / "results"
T = TypeVar("T")


def record(name: str, section: str, data: object) -> None:
    """Put one section into ``results/<name>.json``, at once, keeping the others."""
    path = RESULTS / f"{name}.json"
    document = json.loads(path.read_text()) if path.is_file() else {}
    document[section] = data
    document["machine"] = machine()
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
    temporary.replace(path)


def recorded(name: str) -> dict[str, Any]:
    """The sections of ``results/<name>.json`` so far."""
    path = RESULTS / f"{name}.json"
    return dict(json.loads(path.read_text())) if path.is_file() else {}


def machine() -> dict[str, object]:
    """What the figures were measured on."""
    model = "unknown"
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = names[0].split(":", 1)[1].strip() if names else model
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def zoo_models(zoo: Path, kinds: tuple[str, ...], count: int) -> list[Path]:
    """The first ``count`` checkpoints of each published folder under ``zoo``."""
    paths = [sorted((zoo / ZOO_FOLDERS[kind]).glob("*.pt"))[:count] for kind in kinds]
    return [path for folder in paths for path in folder]


def classifiers(paths: list[Path]) -> list[Classifier]:
    """Loaded, in order."""
    return [load_classifier(path) for path in paths]


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Seconds by the wall, and what came out."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result
