"""Candidates for a verdict's evidence, on made-up rows."""

import numpy as np
import pytest

from benchmarks import family


def row(number: int, *, attacked: bool) -> dict:
    sizes = [10.0, 11.0, 12.0, 13.0]
    sizes[number % 4] = 1.0 if attacked else 9.5
    return {
        "id": f"{attacked}-{number}", "group": f"group-{number}", "classes": 4, "half": "choose",
        "shape": [1, 32, 32], "pixel": sizes, "frequency": sizes[::-1], "untargeted": 8.0,
        "margin": [1.0, 2.0, 3.0, None], "pseudo": [10.0, None], "share": [0.25] * 4,
        "pixel_sure": sizes, "frequency_sure": sizes, "attacked": attacked,
        "way": "all-to-one" if attacked else "", "targets": [number % 4] if attacked else [],
    }  # fmt: skip


def test_ratio_is_beside_the_other_classes() -> None:
    found = family.ratio(row(0, attacked=True), "pixel")
    assert found[0] == pytest.approx(np.log(12.0))
    assert found[1] < 0.2


def test_a_size_that_was_not_measured_is_no_outlier() -> None:
    one = row(0, attacked=True) | {"pixel": [None, 10.0, None, None]}
    assert np.isnan(family.ratio(one, "pixel")[0])
    assert np.isnan(family.ratio(one, "pixel")[1])


def test_separable_networks_are_separated() -> None:
    rows = [row(k, attacked=a) for k in range(20) for a in (False, True)]
    found = family.count(rows, family.CANDIDATES["pixel ratio"])
    assert (found.clean, found.attacked) == (20, 20)
    assert found.auroc == found.first == found.named == 1.0


def test_every_candidate_scores_every_class() -> None:
    for name, score in family.CANDIDATES.items():
        assert len(score(row(1, attacked=True))) == 4, name


def test_groups_are_in_one_fold() -> None:
    rows = [row(3, attacked=a) for a in (False, True)]
    assert len({family.fold_of(r) for r in rows}) == 1


def test_what_ships_is_counted_from_the_rows() -> None:
    rows = [r for r in family.read(family.ROWS) if "pixel_sure" in r]
    again = "run: python -m benchmarks.family --write"
    assert family.CLEAN_SCORES.read_text() == family.clean_scores(rows), again
