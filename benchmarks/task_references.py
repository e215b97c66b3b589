"""Makes what ships as the clean networks of a task, for each task that strangers.py knows.

    python -m benchmarks.task_references STRANGERS --zoo ROOT

STRANGERS is described in corpus.py: the clean *develop* networks count, with the scores that
``strangers.py scan`` has stored, by ensemble and by universal-pairs. Of garments there are few, so
those that ``make_zoos.py --plan tasks`` has trained in ROOT are scanned and stand beside them.
Prints how each network would have been judged by the others, which is what thresholds are chosen
by.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import click
import numpy as np

from benchmarks.corpus import classifier_of, records
from benchmarks.make_references import REFERENCES
from benchmarks.stranger_rows import FOLDER, PAIRS, read_rows
from benchmarks.strangers import DEVELOP
from benchmarks.task_zoo_plan import GARMENTS, NETWORKS, task_folder
from triggerfish.detectors import DETECTORS
from triggerfish.loading import load_classifier
from triggerfish.model.classifier import Classifier
from triggerfish.references.making import make_task_reference
from triggerfish.references.store import render_reference
from triggerfish.statistics.outliers import Array

TITLES = {"mnist": "MNIST", GARMENTS: "Fashion-MNIST", "cifar10": "CIFAR-10"}
PAIRS_DETECTOR = "universal-pairs"
DETECTED = ("ensemble", PAIRS_DETECTOR)

_FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


def strangers(
    folder: Path, data: str, detector: str, scores: Path
) -> tuple[list[Classifier], list[Array]]:
    """The clean *develop* networks of a data set, and their stored scores (K,) or (K, K)."""
    rows = read_rows(detector, scores)
    found = [r for r in records(folder, DEVELOP) if r["data"] == data and not r["attacked"]]
    found = [r for r in found if r["id"] in rows]
    # The default scan's rows have scores of pairs, too: those of its last search.
    statistics = [
        np.array(row.parts[PAIRS] if detector == PAIRS_DETECTOR else row.statistic, np.float64)
        for row in (rows[record["id"]] for record in found)
    ]
    return [classifier_of(folder, record) for record in found], statistics


def garments(root: Path) -> list[Path]:
    """The files of our own clean networks for garments."""
    return [path for name in NETWORKS for path in (root / task_folder(name)).glob("*.pt")]


def scanned(paths: list[Path], detector: str) -> tuple[list[Classifier], list[Array]]:
    """The networks in files, and their scores (K,) or (K, K)."""
    classifiers = list(map(load_classifier, paths))
    made = DETECTORS[detector]()
    return classifiers, [made.compared(made(classifier)).numpy() for classifier in classifiers]


@click.command()
@click.argument("folder", type=_FOLDER)
@click.option("--zoo", type=_FOLDER, required=True, help="What make_zoos.py --plan tasks made.")
@click.option("--scores", type=_FOLDER, default=FOLDER, help="Folder of results.")
@click.option("--to", type=_FOLDER, default=REFERENCES, help="Where they go.")
def main(folder: Path, zoo: Path, scores: Path, to: Path) -> None:
    """Write a reference of kind same-task per detector and data set."""
    for detector, (data, title) in product(DETECTED, TITLES.items()):
        classifiers, statistics = strangers(folder, data, detector, scores)
        recipe = f"public repositories: {len(classifiers)}"
        if data == GARMENTS:
            more, theirs = scanned(garments(zoo), detector)
            classifiers, statistics = [*classifiers, *more], [*statistics, *theirs]
            recipe += f"; triggerfish zoo: {len(more)}"
        made = make_task_reference(title, DETECTORS[detector](), classifiers, statistics, recipe)
        path = to / f"task-{data}-{detector}.json"
        path.write_text(render_reference(made))
        highest = " ".join(f"{v:.2f}" for v in made.clean_maxima())
        click.echo(f"{path.name}: {made.size} of {len(classifiers)} networks")
        click.echo(f"  above the mean of the others: {highest}")


if __name__ == "__main__":
    main()
