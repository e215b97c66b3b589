"""``triggerfish reproduce``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from triggerfish.cli.detector_options import PUBLISHED, scan_config, settings_options
from triggerfish.cli.exit_codes import INCONCLUSIVE
from triggerfish.cli.progress import track
from triggerfish.cli.threads import jobs_option
from triggerfish.files import ensure_writable
from triggerfish.reports.master_summary import MasterRow
from triggerfish.reproduce import (
    MASTER_SUMMARY,
    RESULTS_FOLDER,
    ZOO_FOLDERS,
    FolderScore,
    published_recipes,
    reproduce_folder,
    score,
    write_summary,
)
from triggerfish.runtime import use_one_thread
from triggerfish.zoo.factory import Workshop, make_zoo, missing_models
from triggerfish.zoo.recipes import Recipes

LINE = "{:<10}  {:>7}  {:>6}  {:>8}  {}"
_path = click.Path(path_type=Path)
_folder = click.Choice(list(ZOO_FOLDERS))


@click.command("reproduce")
@click.option(
    "--folders", multiple=True, type=_folder, help="Published folders; all of them by default."
)
@click.argument("more_folders", nargs=-1, type=_folder, metavar="[FOLDER]...")
@click.option("--limit", type=click.IntRange(1, 100), help="Only the first models of each folder.")
@click.option("--zoo", type=_path, default=Path(), help="Where the zoo folders are, or are made.")
@click.option(
    "--out",
    type=_path,
    default=Path(RESULTS_FOLDER),
    help="Folder for the results.",
)
@click.option("--data-root", type=_path, help="Folder with the MNIST files, if not the bundled.")
@jobs_option("Models trained or scanned at a time")
@settings_options
@click.option("--threshold", type=float, help="Two-sided threshold on |z|; published: 3.5.")
@click.pass_context
def reproduce_command(
    ctx: click.Context,
    /,
    folders: tuple[str, ...],
    more_folders: tuple[str, ...],
    limit: int | None,
    zoo: Path,
    out: Path,
    data_root: Path | None,
    jobs: int,
    **settings: Any,  # noqa: ANN401
) -> None:
    """Run the published protocol: train the published zoos, scan them, count what is correct.

    Models that are there are not trained again, results that are there are not computed again.
    A clean model is correct when nothing is flagged, a backdoored one when exactly its target is.
    """
    use_one_thread()
    config = scan_config(None, PUBLISHED, 0, settings)
    ensure_writable(out)
    rows: list[MasterRow] = []
    scores = []
    for name in folders + more_folders or tuple(ZOO_FOLDERS):
        recipes, place = published_recipes(name, limit), zoo / ZOO_FOLDERS[name]
        _train(name, recipes, Workshop(place, data_root=data_root, jobs=jobs))
        before = len(rows)
        found = reproduce_folder(name, recipes, place, out, config, jobs)
        for row in track(found, len(recipes), f"scanning {name}"):
            rows.append(row)
            write_summary(rows, out)
        scores.append(score(name, rows[before:]))
    _print(scores)
    click.echo(f"wrote {out / MASTER_SUMMARY}", err=True)
    ctx.exit(INCONCLUSIVE if any(row.status == "skipped" for row in rows) else 0)


def _train(name: str, recipes: Recipes, workshop: Workshop) -> None:
    missing = len(missing_models(recipes, workshop))
    for _ in track(make_zoo(recipes, workshop), missing, f"training {name}"):
        pass


def _print(scores: list[FolderScore]) -> None:
    click.echo(LINE.format("folder", "correct", "models", "rate", "95 % interval"))
    for s in scores:
        rate, interval = f"{s.correct / s.total:.3f}", f"{s.low:.3f}-{s.high:.3f}"
        click.echo(LINE.format(s.folder, s.correct, s.total, rate, interval))
