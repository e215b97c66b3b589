"""What the reports state is counted from the committed results, and from nothing else."""

import json
from dataclasses import replace
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from benchmarks.error_rates import RATES, main, rates
from benchmarks.stranger_rows import Row, read_rows


def row(number: int, verdict: str, attack: str = "", *, flagged: tuple[int, ...] = ()) -> Row:
    return Row(
        f"made-up-{number:02}", "report", "mnist", bool(attack), attack, "patch" if attack else "",
        (3,) if attack else (), 0.9 if attack else None, "s", verdict, flagged, False, (), (0.0,),
        (0.0,), None, {}, 1.0, 1.0, peers="MNIST",
    )  # fmt: skip


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
    strange = replace(row(11, "backdoored", flagged=(2,)), peers="")
    known, unknown = json.loads(rates([*ROWS, strange], ROWS[3:]))["rates"]
    assert (known["known_task"], unknown["known_task"]) == (True, False)
    assert unknown["clean_flagged"]["count"] == 0
    assert unknown["clean_flagged"]["n"] == 1
    found = {k: (v["count"], v["n"]) for k, v in known.items() if isinstance(v, dict) and "n" in v}
    assert found == {
        "clean_flagged": (1, 4),
        "clean_inconclusive": (1, 4),
        "one_target_named": (1, 3),
        "one_target_missed": (1, 3),
        "other_missed": (1, 2),
    }


def test_the_interval_of_none_in_ten_is_the_closed_form() -> None:
    rows = [row(k, "clean") for k in range(10)] + ROWS[4:9]
    counted, _ = json.loads(rates(rows, rows))["rates"]
    share = counted["clean_flagged"]
    assert (share["low"], share["high"]) == (0, pytest.approx(1 - 0.025 ** (1 / 10), abs=1e-4))


def test_results_of_different_setups_are_not_mixed() -> None:
    with pytest.raises(click.ClickException, match="got 2"):
        rates([*ROWS, replace(row(10, "clean"), setup="t")], ROWS)


def test_what_ships_is_what_the_committed_results_make() -> None:
    known, unknown = (list(read_rows(k).values()) for k in ("ensemble", "ensemble-unknown-task"))
    assert RATES.read_text() == rates(known, unknown)


def test_a_file_that_is_out_of_date_is_said(tmp_path: Path) -> None:
    file = tmp_path / "rates.json"
    assert CliRunner().invoke(main, ["--check", "--to", str(file)]).exit_code == 1
    assert CliRunner().invoke(main, ["--to", str(file)]).exit_code == 0
    assert CliRunner().invoke(main, ["--check", "--to", str(file)]).exit_code == 0
