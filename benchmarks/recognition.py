"""How well a task is told by what networks call synthetic images.

    python -m benchmarks.recognition STRANGERS --zoo ROOT

Every clean *develop* network against the mean of the others, as in the references that ship, and
against the means of the other tasks of its geometry; attacked ones against a mean without the clean
network that they were made from; and every clean one with its classes in twenty random orders.
*report* networks are compared with the references that ship. Results: results/recognition.json.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import click
import numpy as np

from benchmarks.common import record, recorded
from benchmarks.corpus import Record, classifier_of, records
from benchmarks.markdown import markdown, rate
from benchmarks.strangers import DEVELOP, REPORT
from benchmarks.task_references import TITLES, garments
from benchmarks.task_zoo_plan import GARMENTS
from triggerfish.loading import load_classifier
from triggerfish.references.recognition import ALIKE, answers, likeness, mean_answers
from triggerfish.statistics.outliers import Array

ORDERS = 20
CELLS = ("clean", "attacked", "report", "other", "reordered")
RESULT = "recognition"

_FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


@click.command()
@click.argument("folder", type=_FOLDER)
@click.option("--zoo", type=_FOLDER, required=True, help="What make_zoos.py --plan tasks made.")
def main(folder: Path, zoo: Path) -> None:
    """Measure the likeness of every network to every task of its geometry."""
    found = {r["id"]: r for r in (*records(folder, DEVELOP), *records(folder, REPORT))}
    said = {key: answers(classifier_of(folder, r)) for key, r in found.items()}
    known = {
        data: {
            key: said[key]
            for key, r in found.items()
            if r["data"] == data and r["split"] == DEVELOP and not r["attacked"]
        }
        for data in TITLES
    }
    known[GARMENTS] |= {path.parent.name: answers(load_classifier(path)) for path in garments(zoo)}
    for data in TITLES:
        record(RESULT, data, _of_task(data, known, found, said))


def _of_task(
    data: str,
    known: Mapping[str, Mapping[str, Array]],
    found: Mapping[str, Record],
    said: Mapping[str, Array],
) -> dict[str, list[float]]:
    """Likenesses to one task, kind by kind."""
    mine = known[data]
    clean = {key: likeness(said_by, _without(mine, key)) for key, said_by in mine.items()}
    of_task = [r for r in found.values() if r["data"] == data]
    attacked = [
        likeness(said[r["id"]], _without(mine, r["fine_tuned_from"]))
        for r in of_task
        if r["attacked"] and r["split"] == DEVELOP
    ]
    everything = mean_answers(list(mine.values()))
    report = [likeness(said[r["id"]], everything) for r in of_task if r["split"] == REPORT]
    other = [
        likeness(said_by, everything)
        for task, networks in known.items()
        for said_by in networks.values()
        if task != data and said_by.shape == everything.shape and _like_shape(task, data)
    ]
    rng = np.random.default_rng(0)
    reordered = [
        likeness(said_by[:, rng.permutation(said_by.shape[1])], _without(mine, key))
        for key, said_by in mine.items()
        for _ in range(ORDERS)
    ]
    columns = (clean.values(), attacked, report, other, reordered)
    return {name: _sorted(values) for name, values in zip(CELLS, columns, strict=True)}


def _like_shape(task: str, data: str) -> bool:
    """Whether the images of two tasks have one shape: digits and garments."""
    return ("cifar10" in (task, data)) == (task == data)


def _without(networks: Mapping[str, Array], left_out: str) -> Array:
    return mean_answers([value for key, value in networks.items() if key != left_out])


def _sorted(values: Iterable[float]) -> list[float]:
    return sorted(round(value, 3) for value in values)


def table() -> str:
    """How many networks of each kind count as one of the task, and how near the others come."""
    rows = []
    for data, kinds in ((data, recorded(RESULT)[data]) for data in TITLES):
        cells = [
            rate(sum(v >= ALIKE for v in kinds[k]), len(kinds[k])) if kinds[k] else "-"
            for k in CELLS
        ]
        highest = max(kinds["other"], default=None)
        rows.append((TITLES[data], *cells, "-" if highest is None else f"{highest:.2f}"))
    header = (
        "task", "clean develop networks", "attacked ones", "report networks",
        "networks of the other task of this shape", "classes in another order",
        "most alike of the other task",
    )  # fmt: skip
    return markdown(header, rows)


if __name__ == "__main__":
    main()
