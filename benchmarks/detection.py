"""How often is each detector right? Scans of the benchmark's zoos against their manifests.

    python -m benchmarks.detection ROOT --detector min-norm [--only 'mnist/*'] [--jobs 2]

ROOT is what benchmarks/make_zoos.py makes (ROOT/DATA/SPLIT[/NAME]); the splits that are reported
are scanned unless --split names others. Resumable, also while models are still being trained: a
model is scanned again only when its file, the detector's settings or the references that ship with
the package have changed. Results: benchmarks/results/detection, a file a detector (one process a
file, please); ``python -m benchmarks.tables`` makes the tables from them.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from itertools import islice
from pathlib import Path

import click

from benchmarks.criteria import REPORTED
from benchmarks.neural_cleanse import NeuralCleanseConfig, clean_images, scan_with_images
from benchmarks.rows import FOLDER, SPLITS, Model, Numbers, Row, read_rows, rounded, write_rows
from triggerfish.detectors import DETECTORS, Ensemble, L1Weight
from triggerfish.loading import load_classifier, sha256_of
from triggerfish.parallel import in_processes
from triggerfish.references.store import shipped_references
from triggerfish.results import Pairs, Scanned
from triggerfish.scanning import ScanConfig, published, scan_classifier
from triggerfish.statistics.outliers import PUBLISHED_THRESHOLD
from triggerfish.verdict.judge import Judge
from triggerfish.zoo.data.datasets import load_dataset
from triggerfish.zoo.manifest import MANIFEST, read_manifest

NEURAL_CLEANSE = "neural-cleanse"
# The search ends once the verdict is settled: a quarter of the time for the published flags. The
# statistics are then what the search knew at that point.
SCANS: dict[str, ScanConfig] = {
    "published": published(L1Weight(decide_at=PUBLISHED_THRESHOLD)),
    **{name: ScanConfig(make()) for name, make in DETECTORS.items() if make is not L1Weight},
    "ensemble-fast": ScanConfig(Ensemble(fast=True)),
    "ensemble-unknown-task": ScanConfig(Ensemble(), Judge(same_task=False)),
}
METHODS = (*SCANS, NEURAL_CLEANSE)


def models(
    root: Path,
    splits: Sequence[str] = SPLITS,
    only: Sequence[str] = ("*",),
    limit: int | None = None,
) -> Iterator[Model]:
    """The models of ``splits`` under ``root``, ``limit`` a folder at most.

    Their keys match one of the patterns ``only``.
    """
    for manifest in sorted(root.rglob(MANIFEST)):
        folder = manifest.parent
        found = (
            Model(folder / entry.file, folder.relative_to(root), entry)
            for entry in read_manifest(folder).values()
        )
        wanted = (
            m
            for m in found
            if m.split in splits and any(fnmatch.fnmatch(m.key, pattern) for pattern in only)
        )
        yield from islice(wanted, limit)


def setup_of(method: str) -> str:
    """Short hash of what decides a method's answers: its settings and its shipped references."""
    if method == NEURAL_CLEANSE:
        return _digest(asdict(NeuralCleanseConfig()))
    config = SCANS[method]
    references = [r for r in shipped_references() if r.detector == config.detector.name]
    return _digest([config.as_plain(), *map(asdict, references)])


def missing(found: Sequence[Model], rows: Mapping[str, Row], setup: str) -> list[Model]:
    """The models that have no row of this very file and setup."""
    done = {(key, row.sha256, row.setup) for key, row in rows.items()}
    return [model for model in found if (model.key, model.entry.sha256, setup) not in done]


def answer(model: Model, method: str, setup: str, data_root: Path | None) -> Row | None:
    """Scan one model; None when its file is no longer the one in the manifest."""
    if sha256_of(model.path) != model.entry.sha256:
        return None
    classifier = load_classifier(model.path)
    if method == NEURAL_CLEANSE:
        data = load_dataset(model.folder.parts[0], "test", data_root)
        result = scan_with_images(classifier, clean_images(data))
    else:
        result = scan_classifier(classifier, SCANS[method])
    return row_of(model, setup, result)


def row_of(model: Model, setup: str, result: Scanned) -> Row:
    """What is kept of a scan."""
    verdict = result.verdict
    (threshold,) = rounded([verdict.threshold])
    return Row(
        **model.truth(),  # type: ignore[arg-type]
        setup=setup,
        verdict=verdict.name,
        flagged=verdict.flagged,
        reference=verdict.reference,
        index=rounded(verdict.anomaly_index),
        statistic=rounded(result.scores.statistic.tolist()),
        sources=_sources(result.scores.pairs),
        p_value=None if verdict.p_value is None else float(f"{verdict.p_value:.4g}"),
        threshold=threshold,
        reasons=tuple(map(str, verdict.reasons)),
        seconds=round(result.seconds, 3),
    )


def _sources(pairs: Pairs | None) -> Numbers | None:
    """Per class its most suspicious source, None where no pair of it was measured."""
    if pairs is None:
        return None
    strongest = pairs.strongest(range(len(pairs.score)))
    known = pairs.score.isfinite().any(0).tolist()
    return tuple(float(source) if known[target] else None for source, target in strongest)


def scan_all(
    waiting: Sequence[Model], work: Callable[[Model], Row | None], jobs: int
) -> Iterator[tuple[Model, Row]]:
    """Rows as they come, from processes of one thread."""
    with in_processes(work, waiting, jobs) as done:
        for one in done:
            if one.loss is not None:
                raise click.ClickException(f"{one.item.key}: {one.loss}")
            if one.result is not None:
                yield one.item, one.result


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:8]


@click.command()
@click.argument("root", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--detector", type=click.Choice(METHODS), default="min-norm", show_default=True)
@click.option("--split", "splits", multiple=True, type=click.Choice(SPLITS), default=REPORTED)
@click.option(
    "--only", multiple=True, default=("*",), help="Patterns for FOLDER/FILE below the root."
)
@click.option("--limit", type=int, help="Models of each folder, for slow detectors.")
@click.option("--jobs", type=int, default=1, show_default=True)
@click.option("--data-root", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--out", type=click.Path(path_type=Path), default=FOLDER, help="Folder of results.")
def main(
    root: Path,
    detector: str,
    splits: tuple[str, ...],
    only: tuple[str, ...],
    limit: int | None,
    jobs: int,
    data_root: Path | None,
    out: Path,
) -> None:
    """Scan the models that have no result yet."""
    rows, setup = read_rows(detector, out), setup_of(detector)
    waiting = missing(list(models(root, splits, only, limit)), rows, setup)
    click.echo(f"{detector}: {len(waiting)} to scan", err=True)
    work = partial(answer, method=detector, setup=setup, data_root=data_root)
    for done, (model, row) in enumerate(scan_all(waiting, work, jobs), 1):
        rows[model.key] = row
        write_rows(detector, rows, out)
        line = f"{model.key}: {row.verdict} {list(row.flagged)} {row.seconds:.1f} s"
        click.echo(f"{done}/{len(waiting)} {line}", err=True)


if __name__ == "__main__":
    main()
