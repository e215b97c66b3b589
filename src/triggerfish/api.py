"""The library: `scan` for a model or a file, `scan_files` for many; the command calls the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from torch import Tensor, nn

from triggerfish.acceptance import read_acceptances
from triggerfish.detectors import Detector
from triggerfish.files import sha256_of
from triggerfish.loading import LoadOptions, other_files
from triggerfish.loading.discovery import local
from triggerfish.model.classifier import (
    Classifier,
    Preprocessing,
    check_is_model,
    check_preprocessing,
    image_shape,
)
from triggerfish.references.population import Reference
from triggerfish.references.store import read_reference
from triggerfish.results import Acceptance, Scanned, Skipped
from triggerfish.runs.files import Batch, FileScan, find_sources
from triggerfish.runs.outcome import Complete
from triggerfish.runs.paths import scan_in_memory, scan_opened
from triggerfish.runs.run import Executor
from triggerfish.runs.selection import Shard
from triggerfish.runtime import choose_device, keep_freed_memory, one_thread
from triggerfish.scanning import ScanConfig
from triggerfish.structure.opening import open_any
from triggerfish.verdict.judge import Judge


@one_thread()
def scan(
    model: str | Path | Classifier | nn.Module | Callable[[Tensor], object],
    config: ScanConfig | Detector | None = None,
    *,
    reference: Reference | Path | str | None = None,
    options: LoadOptions | None = None,
    preprocessing: Preprocessing | None = None,
    input_shape: Sequence[int] | None = None,
    seed: int = 0,
) -> Scanned:
    """Scan one model, in a file or in memory, for a backdoor.

    A file that can be read in several ways is scanned in all of them: the verdict is what most of
    their weight says, and *inconclusive* where they disagree. As by command, one thread is used
    unless OMP_NUM_THREADS says otherwise.

    Args:
        model: What to scan: the path of a model file or folder; a `Classifier`; or any module or
            callable that maps images ``(N, C, H, W)`` to logits ``(N, K)``. Neither a module's
            mode nor its parameters change.
        config: What to run and how to judge it, or only a detector with its settings; the default
            scan when None.
        reference: Clean models like this one, made by ``triggerfish calibrate`` with the same
            detector and settings, or the path of its file. When None, the references that ship
            are tried. Not with a `ScanConfig`, whose judge has its own.
        options: How to load a file: what is known about it, the device, which risks are taken.
        preprocessing: How an image in [0, 1] becomes the model's input; images as they are when
            None. Not with a `Classifier`, which has its own.
        input_shape: ``(C, H, W)`` of an image. Needed for a module.
        seed: Decides what is random. Not with a `ScanConfig`, which has its own.

    Returns:
        The verdict, with the scores and the evidence behind it.

    Raises:
        ValueError: Arguments that do not fit together, what is no model, or a reference made with
            another detector or other settings.
        CheckpointError: A file or reference that cannot be read.
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
    keep_freed_memory()
    chosen = _config(config, reference, seed)
    check_preprocessing(preprocessing)
    if not isinstance(model, (str, Path)):
        if options is not None:
            raise ValueError("expected options with the path of a file alone: drop them")
        return scan_in_memory(_as_classifier(model, input_shape, preprocessing), chosen)
    path, loading = local(model), options or LoadOptions()
    given = loading.given.with_preprocessing(preprocessing)
    if input_shape is not None:
        given = replace(given, input_shape=image_shape(input_shape))
    loading = replace(loading, given=given, device=choose_device(loading.device))
    return scan_opened(open_any(path, loading), chosen, path, sha256_of(path))


def scan_files(
    paths: str | Path | Iterable[str | Path],
    config: ScanConfig | Detector | None = None,
    *,
    options: LoadOptions | None = None,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    out: str | Path | None = None,
    rescan: bool = False,
    shard: Shard | str | None = None,
    jobs: int | None = 1,
    timeout: float | None = None,
    executor: Executor | None = None,
    images: str | Path | None = None,
    class_names: Sequence[str] = (),
    accept: str | Path | Mapping[str, Acceptance] | None = None,
) -> Iterator[Scanned | Skipped]:
    """Scan model files, and folders of them: all that ``triggerfish scan`` does, as an iterator.

    What can fail before the first model is scanned fails at the call. The results come in the order
    of the paths, each as soon as it is its turn; closing the iterator ends the processes.

    Args:
        paths: Model files, and folders to walk.
        config: As in `scan`.
        options: How to load the files: what is known about them, the device, the risks.
        include: Only files whose name, or end of path, matches one of these patterns.
        exclude: No files that match one of these.
        out: Run folder with each model's files. What is settled in it is not scanned again.
        rescan: Scan that as well.
        shard: One share of several, such as ``"1/4"``; shares are disjoint.
        jobs: How many processes; when None as many as there are cores, fewer for a few models.
            A script that asks for more than one needs its ``if __name__ == "__main__":``.
        timeout: Seconds after which a model is given up.
        executor: Where the models are scanned, such as a `Cluster` of Ray, in place of ``jobs``.
        images: Folder of your own pictures, to try what was found on.
        class_names: Names of the classes, in their order.
        accept: Accepted files by SHA-256, or the TOML file that lists them.

    Returns:
        One result for each path: `Scanned`, or `Skipped` with the reason. Nothing is left out.

    Raises:
        ValueError: Arguments that do not fit together.
        CheckpointError: No model files.
        OutputError: The run folder cannot be written.
        DatasetError: No pictures in ``images``.

    Example:
        >>> import triggerfish as tf
        >>> for result in tf.scan_files("models", out="run", jobs=4):  # doctest: +SKIP
        ...     print(result.path, result.verdict if isinstance(result, tf.Scanned) else "skipped")
    """
    keep_freed_memory()
    if rescan and out is None:
        raise ValueError("expected out with rescan: name the run folder")
    listed = [paths] if isinstance(paths, (str, Path)) else list(paths)
    loading = options or LoadOptions()
    if executor is None:
        choose_device(loading.device)  # one that is not there ends here, not once a model
    settings = FileScan(
        config=_config(config, None, 0),
        out=None if out is None else Path(out),
        rescan=rescan,
        shard=Shard.parse(shard) if isinstance(shard, str) else shard,
        jobs=jobs,
        timeout=timeout,
        executor=executor,
        images=None if images is None else Path(images),
        complete=Complete(tuple(class_names)),
        acceptances=read_acceptances(Path(accept)) if isinstance(accept, (str, Path)) else
        accept or {},
    )  # fmt: skip
    sources = find_sources(listed, loading, include=include, exclude=exclude)
    return _results(settings.start(sources, other_files(listed)))


def _results(batch: Batch) -> Iterator[Scanned | Skipped]:
    for row in batch.rows():
        yield row.result


def _config(
    config: ScanConfig | Detector | None, reference: Reference | Path | str | None, seed: int
) -> ScanConfig:
    if isinstance(config, ScanConfig):
        if reference is not None or seed:
            raise ValueError(
                "expected a ScanConfig alone, got reference or seed: "
                "ScanConfig(judge=Judge(reference=...), seed=...) has both"
            )
        return config
    if isinstance(reference, (str, Path)):
        reference = read_reference(Path(reference))
    judge = Judge(reference=reference)
    return ScanConfig(judge=judge, seed=seed) if config is None else ScanConfig(config, judge, seed)


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
    check_is_model(model)
    if input_shape is None:
        raise ValueError("expected input_shape=(C, H, W) with a model that is no Classifier")
    return Classifier(model, input_shape, preprocessing=preprocessing)
