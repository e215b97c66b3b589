"""How often a default scan is wrong, for the reports: what ships as data/rates.json.

    python -m benchmarks.error_rates [--check]

Counts of default scans, with 95 % Clopper-Pearson intervals. Where the task is recognised:
results/task_zoo/strangers.jsonl, networks that other people trained, those of recognised tasks.
Levels were chosen with them in sight: the reports say so. Where it is not:
results/task_zoo/report.jsonl, networks of the zoo's tasks that no level was chosen on. Repairs are
counted from results/repair/strangers-report.jsonl. ``--check`` only says whether the file is what
the results make.

They are rates of the settings that the results were measured with, and of no others: those of each
setup are kept beside the results. So a default that has changed since has none until
``benchmarks.strangers`` has measured it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import click

from benchmarks import repair, repair_table
from benchmarks.detection import SCANS
from benchmarks.lines import read_lines
from benchmarks.make_references import REFERENCES
from benchmarks.stranger_rows import Row, read_rows
from benchmarks.stranger_tables import DEFAULT, is_exact, is_flagged, is_inconclusive
from benchmarks.strangers import setup_of
from benchmarks.task_zoo.scan import FOLDER
from triggerfish.reports.rates import decisive
from triggerfish.statistics.outliers import clopper_pearson

RATES = REFERENCES.parent / "rates.json"
ROWS = {True: "strangers", False: "report"}
"""By whether the task is known: where the rows are."""
MODELS = {
    True: "networks of other people whose task was recognised",
    False: "small networks whose task was not recognised",
}
REPAIRED = repair.FOLDER / "strangers-report.jsonl"
DIGITS = 4
SETTINGS = "settings.json"
"""In the folder of results: by setup, what decided how often such scans were wrong."""


def settings(folder: Path = FOLDER) -> dict[str, object]:
    """By setup, the settings of the scans so far, and of those that run now."""
    file = folder / SETTINGS
    kept = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    now = decisive(SCANS[DEFAULT].as_plain())
    return {**kept, setup_of(DEFAULT): now}


def counted_rows(folder: Path = FOLDER) -> dict[bool, list[Row]]:
    """The rows that are counted, by whether the task is known."""
    return {
        known: [row for row in read_rows(name, folder).values() if bool(row.peers) == known]
        for known, name in ROWS.items()
    }


def rates(rows: Mapping[bool, Sequence[Row]], measured_with: Mapping[str, object]) -> str:
    """The file, from `counted_rows`; ``measured_with`` has the settings of their setup."""
    counted = [_counted(rows[known], measured_with, known_task=known) for known in (True, False)]
    found = {"rates": [c for c in counted if c], "repairs": _repairs()}
    return json.dumps({"schema_version": 2, **found}, indent=1) + "\n"


def _repairs() -> dict[str, float]:
    """Of attacked networks whose repair passed its own check, those that lost the true trigger."""
    tried = (row["after"]["unlearning"] for row in read_lines(REPAIRED) if row.get("after"))
    passed = [r for r in tried if r.get("accepted") and r["trigger_success"] is not None]
    return _interval(sum(row["trigger_success"] < repair_table.GONE for row in passed), len(passed))


def _counted(
    rows: Sequence[Row], measured_with: Mapping[str, object], *, known_task: bool
) -> dict[str, object] | None:
    """One entry; None where there is no network of some kind to count."""
    clean = [row for row in rows if not row.attacked]
    single = [row for row in rows if row.attack.endswith("all-to-one")]
    other = [row for row in rows if row.attacked and not row.attack.endswith("all-to-one")]
    if not (clean and single and other):
        return None
    if len(setups := {row.setup for row in rows}) != 1:
        raise click.ClickException(
            f"expected results of one setup, got {len(setups)}: run benchmarks.strangers first"
        )
    (setup,) = setups
    if setup not in measured_with:
        raise click.ClickException(
            f"expected the settings of setup {setup} in {SETTINGS}, got none: "
            "run benchmarks.strangers again"
        )
    return {
        "detector": DEFAULT,
        "config": measured_with[setup],
        "models": MODELS[known_task],
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
    return _interval(sum(map(criterion, rows)), len(rows))


def _interval(count: int, n: int) -> dict[str, float]:
    low, high = clopper_pearson(count, n)
    return {"count": count, "n": n, "low": round(low, DIGITS), "high": round(high, DIGITS)}


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; fail when the file is out of date.")
@click.option("--out", type=click.Path(path_type=Path), default=FOLDER, help="Folder of results.")
@click.option("--to", type=click.Path(path_type=Path), default=RATES, help="Where it goes.")
def main(*, check: bool, out: Path, to: Path) -> None:
    """Write or check the rates that the reports state."""
    rows, measured_with = counted_rows(out), settings(out)
    fresh = rates(rows, measured_with)
    if not check:
        to.write_text(fresh)
        setups = sorted({row.setup for some in rows.values() for row in some})
        kept = {setup: measured_with[setup] for setup in setups}
        (out / SETTINGS).write_text(json.dumps(kept, indent=1) + "\n")
    elif not to.is_file() or to.read_text() != fresh:
        raise click.ClickException(f"out of date: {to.name}: run benchmarks.error_rates")


if __name__ == "__main__":
    main()
