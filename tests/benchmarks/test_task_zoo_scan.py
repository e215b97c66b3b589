"""The table of verdicts on the zoo of tasks."""

import pytest

from benchmarks.task_zoo.plan import units
from benchmarks.task_zoo.scan import is_right, lines, separations


def row(verdict: str, flagged=(), attack: str = "", targets=(), classes: int = 6, **more):
    return {
        "id": "somebody",
        "verdict": verdict, "flagged": list(flagged), "attack": attack, "targets": list(targets),
        "attacked": bool(attack), "trigger": "patch3", "all_flagged": False,
        "statistic": [0.0] * classes,
    } | more  # fmt: skip


@pytest.mark.parametrize(
    ("one", "right"),
    [
        (row("clean"), True),
        (row("inconclusive"), False),
        (row("backdoored", [2]), False),
        (row("backdoored", [2], "all-to-one", [2]), True),
        (row("backdoored", [2, 3], "all-to-one", [2]), False),
        (row("clean", [], "all-to-one", [2]), False),
        (row("backdoored", [], "all-to-all", all_flagged=True), True),
        (row("backdoored", [1], "all-to-all"), False),
    ],
)
def test_right_is_the_truth_and_nothing_else(one, right: bool) -> None:
    assert is_right(one) is right


def test_every_network_is_counted_once_with_an_interval() -> None:
    rows = [row("clean")] * 3 + [row("backdoored", [1])] + [row("clean", [], "all-to-one", [1], 3)]
    found = dict(line[2:].split(" | ", 1) for line in list(lines(rows))[2:])
    assert found["**clean, all**"].startswith("4 | 3 (19% to 99%) | 0")
    assert found["clean, 6-12 classes"].endswith("| 1 (1% to 81%) |")
    assert found["all-to-one, 3 classes"].startswith("1 | 0 (0% to 98%) | 1")


def test_networks_of_the_zoo_are_counted_by_their_form() -> None:
    unit = next(unit for unit in units() if unit.network == "strided-batch")
    attacked = row("clean", [], "all-to-one", [1], id=f"{unit.name}-a0")
    table = list(lines([row("clean"), row("clean", id=unit.name), attacked]))[2:]
    found = dict(line[2:].split(" | ", 1) for line in table)
    assert found["clean, batch norm"].startswith("1 | 1 (3% to 100%)")
    assert found["all-to-one, batch norm"].startswith("1 | 0 (0% to 98%) | 1")
    assert "clean, group norm" not in found


def test_scores_that_do_not_overlap_separate_wholly() -> None:
    attacked = row("clean", [], "all-to-one", [1], statistic=[0.0, 3.0, None, 0.0, 0.0, 0.0])
    assert list(separations([row("clean"), attacked])) == [
        "- AUROC, 6-12 classes: 1.00 (1.00 to 1.00)"
    ]
