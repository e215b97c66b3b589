"""How often the default scan is wrong, for the reports: what ships as data/rates.json.

    python -m benchmarks.error_rates [--check]

Counts of results/strangers (strangers.py) on the split *report*, on which nothing was chosen, with
95 % Clopper-Pearson intervals: of the networks whose task the default scan recognised, and of all,
scanned as if their tasks were not known. ``--check`` only says whether the file is what the
results make.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from benchmarks.detection import SCANS
from benchmarks.make_references import REFERENCES
from benchmarks.stranger_rows import FOLDER, Row, read_rows
from benchmarks.stranger_tables import DEFAULT, UNKNOWN_TASK, is_exact, is_flagged, is_inconclusive
from benchmarks.strangers import REPORT
from triggerfish.reports.rates import decisive
from triggerfish.statistics.outliers import clopper_pearson

RATES = REFERENCES.parent / "rates.json"
MODELS = "networks that other people trained"
DIGITS = 4


def rates(known: Sequence[Row], unknown: Sequence[Row]) -> str:
    """The file, from rows of any split: of the default scan, and of one without peers."""
    recognised = [row for row in known if row.peers]
    counted = [_counted(recognised, known_task=True), _counted(unknown, known_task=False)]
    return json.dumps({"schema_version": 2, "rates": counted}, indent=1) + "\n"


def _counted(rows: Sequence[Row], *, known_task: bool) -> dict[str, object]:
    wanted = [row for row in rows if row.split == REPORT]
    if len(setups := {row.setup for row in wanted}) != 1:
        raise click.ClickException(
            f"expected results of one setup, got {len(setups)}: run benchmarks.strangers first"
        )
    clean = [row for row in wanted if not row.attacked]
    single = [row for row in wanted if row.attack == "all-to-one"]
    other = [row for row in wanted if row.attacked and row.attack != "all-to-one"]
    return {
        "detector": DEFAULT,
        "config": decisive(SCANS[DEFAULT].as_plain()),
        "models": MODELS,
        "known_task": known_task,
        "clean_flagged": _share(is_flagged, clean),
        "clean_inconclusive": _share(is_inconclusive, clean),
        "one_target_named": _share(is_exact, single),
        "one_target_missed": _share(_is_missed, single),
        "other_missed": _share(_is_missed, other),
    }


def _is_missed(row: Row) -> bool:
    return row.verdict == "clean"


def _share(criterion: Callable[[Row], bool], rows: Sequence[Row]) -> dict[str, float]:
    count = sum(map(criterion, rows))
    low, high = clopper_pearson(count, len(rows))
    return {"count": count, "n": len(rows), "low": round(low, DIGITS), "high": round(high, DIGITS)}


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; fail when the file is out of date.")
@click.option("--out", type=click.Path(path_type=Path), default=FOLDER, help="Folder of results.")
@click.option("--to", type=click.Path(path_type=Path), default=RATES, help="Where it goes.")
def main(*, check: bool, out: Path, to: Path) -> None:
    """Write or check the rates that the reports state."""
    fresh = rates(*(list(read_rows(name, out).values()) for name in (DEFAULT, UNKNOWN_TASK)))
    if not check:
        to.write_text(fresh)
    elif not to.is_file() or to.read_text() != fresh:
        raise click.ClickException(f"out of date: {to.name}: run benchmarks.error_rates")


if __name__ == "__main__":
    main()
