"""How often is each detector right? Scans of zoos against their manifests.

    python -m benchmarks.detection ZOO_FOLDER... [--detector min-norm] [--jobs 2]

A zoo folder has a manifest.json (``triggerfish zoo``). Resumable: a model's row stays in
benchmarks/results/detection.json under its detector and SHA-256. ``python -m benchmarks.tables``
makes docs/detection-quality.md from it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from benchmarks.common import record, recorded
from triggerfish.detectors import DETECTORS
from triggerfish.loading import sha256_of
from triggerfish.results import Scanned
from triggerfish.scan import ScanConfig, scan_paths
from triggerfish.zoo.manifest import Entry, read_manifest


def row(result: Scanned, entry: Entry, zoo: str) -> dict[str, Any]:
    """What is kept of one scan: enough to count by any criterion later."""
    return {
        "zoo": zoo,
        "file": entry.file,
        "targets": list(entry.targets),
        "valid": entry.valid,
        "verdict": result.verdict.name,
        "flagged": list(result.verdict.flagged),
        "reference": result.verdict.reference,
        "index": [None if v != v else round(v, 4) for v in result.verdict.anomaly_index],
        "seconds": round(result.seconds, 3),
    }


@click.command()
@click.argument("zoos", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--detector", type=click.Choice(list(DETECTORS)), default="min-norm")
@click.option("--jobs", type=int, default=2, show_default=True)
def main(zoos: tuple[Path, ...], detector: str, jobs: int) -> None:
    """Scan what is not there yet."""
    rows = recorded("detection").get(detector, {})
    for zoo in zoos:
        entries = {sha256_of(zoo / file): entry for file, entry in read_manifest(zoo).items()}
        missing = [sha for sha in entries if sha not in rows]
        paths = [zoo / entries[sha].file for sha in missing]
        results = scan_paths(paths, ScanConfig(detector), jobs=jobs)
        for sha, result in zip(missing, results, strict=True):
            if not isinstance(result, Scanned):
                raise click.ClickException(f"{result.path} was skipped: {result.reason}")
            rows[sha] = row(result, entries[sha], zoo.name)
            record("detection", detector, rows)
            click.echo(f"{zoo.name} {entries[sha].file}: {result.verdict}", err=True)


if __name__ == "__main__":
    main()
