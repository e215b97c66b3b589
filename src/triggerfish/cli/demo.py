"""``triggerfish demo``: one clean and one backdoored model, trained and scanned."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from triggerfish.api import scan_files
from triggerfish.cli.progress import echo, track
from triggerfish.errors import TriggerfishError
from triggerfish.files import ensure_writable
from triggerfish.reports.table import render_table
from triggerfish.results import Scanned, Skipped
from triggerfish.runtime import use_one_thread
from triggerfish.scanning import ScanConfig, published
from triggerfish.stored import write_artefacts
from triggerfish.zoo.attacks import Poisoning
from triggerfish.zoo.attacks.patch import PatchAttack
from triggerfish.zoo.factory import Workshop, make_zoo, missing_models
from triggerfish.zoo.recipes import BACKDOOR_SEED, CLEAN_SEED, Recipe, backdoor_zoo, clean_zoo

TARGET = 7
JOBS = 2


@click.command("demo")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("demo"),
    help="Folder for models and results.",
)
def demo_command(out: Path) -> None:
    """Train one clean and one backdoored MNIST model, then scan both, without data.

    Models that are there are not trained again. Exits with 0 when the first is called clean and
    the second's target class is named.
    """
    use_one_thread()
    ensure_writable(out)
    models = _train(out / "models")
    found = _scan(models, ScanConfig(), "Our detector:", out / "ensemble")
    _scan(
        models,
        published(),
        "For comparison, the published detector (docs/reproduction.md has its error rates):",
        out / "l1-weight",
    )
    if found != [(), (TARGET,)]:
        raise TriggerfishError(
            f"expected nothing flagged in the clean model and class {TARGET} in the backdoored "
            f"one, got {found}: please report this with the files in {out}"
        )


def _train(folder: Path) -> list[Path]:
    """The clean and the backdoored model, by the published recipe."""
    recipes = {
        **clean_zoo(Recipe(seed=CLEAN_SEED), count=1),
        **backdoor_zoo(
            Recipe(seed=BACKDOOR_SEED), PatchAttack(), Poisoning(), targets=(TARGET,), replicas=1
        ),
    }
    workshop = Workshop(folder, jobs=JOBS)
    missing = len(missing_models(recipes, workshop))
    click.echo(f"training {missing} of {len(recipes)} MNIST models in {folder}")
    for entry in track(make_zoo(recipes, workshop), missing, "training"):
        success = entry.attack_success_rate
        attack = "" if success is None else f", attack success rate {success:.4f}"
        echo(f"  {entry.file}: accuracy {entry.clean_accuracy:.4f}{attack}")
    return [folder / file for file in recipes]


def _scan(models: list[Path], config: ScanConfig, title: str, out: Path) -> list[tuple[int, ...]]:
    """Scan, print the table, write the files; returns the flags of each model."""
    flags: list[tuple[int, ...]] = []

    def keep() -> Iterator[Scanned | Skipped]:
        for path, result in zip(models, scan_files(models, config, jobs=JOBS), strict=True):
            if isinstance(result, Scanned):
                write_artefacts(result, out / path.stem)
                flags.append(result.verdict.flagged)
            yield result

    click.echo(f"\n{title}")
    for line in render_table(track(keep(), len(models), "scanning")):
        echo(line, nl=False)
    for path in models:
        click.echo(f"images, plot and tables: {out / path.stem}")
    return flags
