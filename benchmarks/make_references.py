"""Makes the clean references that ship with the package.

    python -m benchmarks.make_references ROOT [--detector min-norm] [--jobs 2]

ROOT is what make_zoos.py makes. A reference a data set and network, from its calibration folder,
under src/triggerfish/data/references. The models of every other split stay unseen.
"""

from __future__ import annotations

from pathlib import Path

import click

from benchmarks.zoo_plan import DATASETS, SMALL, base, calibration_folder
from triggerfish.api import scan_files
from triggerfish.calibrate import reference_from
from triggerfish.detectors import DETECTORS
from triggerfish.references.store import render_reference
from triggerfish.scanning import ScanConfig

REFERENCES = Path(__file__).parent.parent / "src" / "triggerfish" / "data" / "references"
NETWORKS = ("paper_cnn", *SMALL)


def recipe_line(data: str, network: str) -> str:
    """How the calibration models of a data set and network were trained."""
    recipe = base("calibration", data, architecture=network)
    epochs = f"{recipe.epochs} epochs" if recipe.epochs > 1 else "1 epoch"
    return (
        f"triggerfish zoo: {network} on {data}, {epochs} of Adam at {recipe.learning_rate:g}, "
        f"batches of {recipe.batch_size}"
    )


@click.command()
@click.argument("root", type=click.Path(path_type=Path, exists=True))
@click.option("--detector", type=click.Choice(list(DETECTORS)), default="min-norm")
@click.option("--jobs", type=int, default=2, show_default=True)
def main(root: Path, detector: str, jobs: int) -> None:
    """Scan the calibration models and write what they are worth as references."""
    config = ScanConfig(DETECTORS[detector]())
    for data in DATASETS:
        for network in NETWORKS:
            folder = root / data / calibration_folder(network)
            paths = sorted(folder.glob("*.pt"))
            if len(paths) < 10:
                click.echo(f"{folder}: {len(paths)} models, too few for a reference", err=True)
                continue
            name = f"{data}, {network}"
            results = scan_files(paths, config, jobs=jobs)
            reference = reference_from(results, name, config, recipe=recipe_line(data, network))
            out = REFERENCES / f"{data}-{network}-{detector}.json"
            out.write_text(render_reference(reference))
            click.echo(
                f"{out.name}: {reference.size} models, threshold "
                f"{reference.threshold(config.judge.false_positive_rate):.3f}"
            )


if __name__ == "__main__":
    main()
