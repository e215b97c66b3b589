"""What the reports state is counted from the committed results, and from nothing else."""

import json
from dataclasses import replace
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from benchmarks.detection import SCANS
from benchmarks.error_rates import RATES, counted_rows, main, rates, settings
from benchmarks.error_rates import ROWS as ROWS_OF
from benchmarks.stranger_rows import Row
from benchmarks.stranger_tables import DEFAULT
from benchmarks.strangers import setup_of
from benchmarks.task_zoo.scan import FOLDER
from triggerfish.reports.rates import decisive


def row(number: int, verdict: str, attack: str = "", *, flagged: tuple[int, ...] = ()) -> Row:
    return Row(
        f"made-up-{number:02}", "report", "mnist", bool(attack), attack, "patch" if attack else "",
        (3,) if attack else (), 0.9 if attack else None, "s", verdict, flagged, False, (), (0.0,),
        (0.0,), None, {}, 1.0, 1.0, peers="MNIST",
    )  # fmt: skip


WITH = {"s": {"detector": "made up"}}
ROWS = [
    row(0, "clean"),
    row(1, "backdoored", flagged=(2,)),
    row(2, "inconclusive"),
    row(3, "clean"),
    row(4, "backdoored", "all-to-one", flagged=(3,)),
    row(5, "backdoored", "all-to-one", flagged=(3, 4)),
    row(6, "clean", "all-to-one"),
    row(7, "clean", "source-specific"),
    row(8, "backdoored", "all-to-all"),
    replace(row(9, "backdoored", flagged=(1,)), split="develop"),
]


def test_what_is_counted() -> None:
    strange = [replace(one, peers="") for one in ROWS[3:9]]
    known, unknown = json.loads(rates({True: ROWS, False: strange}, WITH))["rates"]
    assert known["config"] == unknown["config"] == WITH["s"]
    assert (known["known_task"], unknown["known_task"]) == (True, False)
    assert unknown["clean_flagged"]["count"] == 0
    assert unknown["clean_flagged"]["n"] == 1
    found = {k: (v["count"], v["n"]) for k, v in known.items() if isinstance(v, dict) and "n" in v}
    assert found == {
        "clean_flagged": (2, 5),
        "clean_inconclusive": (1, 5),
        "one_target_named": (1, 3),
        "one_target_missed": (1, 3),
        "other_missed": (1, 2),
    }


def test_what_has_no_network_of_some_kind_is_not_counted() -> None:
    (only,) = json.loads(rates({True: ROWS, False: [row(11, "clean")]}, WITH))["rates"]
    assert only["known_task"]


def test_the_interval_of_none_in_ten_is_the_closed_form() -> None:
    rows = [row(k, "clean") for k in range(10)] + ROWS[4:9]
    (counted,) = json.loads(rates({True: rows, False: []}, WITH))["rates"]
    share = counted["clean_flagged"]
    assert (share["low"], share["high"]) == (0, pytest.approx(1 - 0.025 ** (1 / 10), abs=1e-4))


def test_results_of_different_setups_are_not_mixed() -> None:
    with pytest.raises(click.ClickException, match="got 2"):
        rates({True: [*ROWS, replace(row(10, "clean"), setup="t")], False: []}, WITH)


def test_results_of_settings_that_nobody_kept_are_of_no_scan() -> None:
    with pytest.raises(click.ClickException, match=r"settings of setup s in settings\.json"):
        rates({True: ROWS, False: []}, {"t": {}})


def test_settings_of_now_are_those_of_scans_from_now_on() -> None:
    assert settings()[setup_of(DEFAULT)] == decisive(SCANS[DEFAULT].as_plain())


def test_what_ships_is_what_the_committed_results_make() -> None:
    assert RATES.read_text() == rates(counted_rows(), settings())


def test_what_ships_is_of_the_settings_that_were_measured() -> None:
    kept = json.loads((FOLDER / "settings.json").read_text())
    (setup,) = {row.setup for some in counted_rows().values() for row in some}
    entries = json.loads(RATES.read_text())["rates"]
    assert entries
    assert all(entry["config"] == kept[setup] for entry in entries)


def test_a_file_that_is_out_of_date_is_said(tmp_path: Path) -> None:
    file = tmp_path / "rates.json"
    for name in ("settings.json", *(f"{name}.jsonl" for name in ROWS_OF.values())):
        (tmp_path / name).write_bytes((FOLDER / name).read_bytes())
    where = ["--out", str(tmp_path), "--to", str(file)]
    assert CliRunner().invoke(main, ["--check", *where]).exit_code == 1
    assert CliRunner().invoke(main, where).exit_code == 0
    assert CliRunner().invoke(main, ["--check", *where]).exit_code == 0
    assert file.read_text() == RATES.read_text()
    assert (tmp_path / "settings.json").read_text() == (FOLDER / "settings.json").read_text()
