"""One path -> `Scanned` or `Skipped`, never an exception; many paths -> an iterator of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from triggerfish.ambiguity import scan_readings
from triggerfish.errors import TriggerfishError, described
from triggerfish.files import sha256_of
from triggerfish.loading import Reading, open_readings
from triggerfish.model.classifier import Classifier
from triggerfish.parallel import in_order
from triggerfish.results import Scanned, Skipped
from triggerfish.scanning import ScanConfig, scan_classifier

Load = Callable[[Path], Classifier | Sequence[Reading]]


def as_it_is(result: Scanned, _: Classifier) -> Scanned:
    """Add nothing to a result."""
    return result


def scan_path(
    path: Path,
    config: ScanConfig,
    load: Load = open_readings,
    add: Callable[[Scanned, Classifier], Scanned] = as_it_is,
) -> Scanned | Skipped:
    """Load and scan one checkpoint. What cannot be scanned is `Skipped`, with the reason.

    ``add`` completes what is known by one reading with what that reading's classifier tells.
    Whatever else a model provokes ends in a *failed* result, so that the others go on.
    """
    sha256 = None
    try:
        sha256 = sha256_of(path)

        def scan_one(classifier: Classifier) -> Scanned:
            return add(scan_classifier(classifier, config, path, sha256), classifier)

        return scan_readings(load(path), scan_one)
    except TriggerfishError as error:
        return Skipped(path, str(error), sha256, error.kind, error.imports)
    except Exception as error:
        return Skipped(path, f"expected a scan that ends, got {described(error)}", sha256, "failed")


def scan_paths(
    paths: Iterable[Path],
    config: ScanConfig | None = None,
    *,
    load: Load = open_readings,
    jobs: int = 1,
) -> Iterator[Scanned | Skipped]:
    """Scan checkpoints, in their order; with ``jobs`` > 1 in that many processes of one thread.

    ``load`` must then be picklable. One thread a process beats several threads on one model
    (docs/performance.md), and gives the same results as one process with one thread.
    """
    work = partial(scan_path, config=config or ScanConfig(), load=load)
    if jobs == 1:
        yield from map(work, paths)
        return
    with in_order(work, paths, jobs) as done:
        for one in done:
            yield one.result or Skipped(one.item, str(one.loss), kind="failed")
