"""A page and the lines in a terminal agree with the numbers beside them, whatever these are."""

import csv
import json
import math
import re
from dataclasses import replace
from random import Random

import pytest
import torch
from made_up import (
    NAMES,
    confirmation,
    found,
    in_program,
    in_program_with_a_stamp,
    perturbation,
    universal,
)

from triggerfish.levels import level_of
from triggerfish.reports import FORMATS
from triggerfish.reports.about import PLAIN
from triggerfish.reports.confirmations import confirmation_in_short
from triggerfish.reports.details import details
from triggerfish.reports.html import render_page
from triggerfish.reports.html.class_rows import SHORT
from triggerfish.reports.severity import severity_of
from triggerfish.reports.text import sized
from triggerfish.reports.words import beside_threshold
from triggerfish.results import ClassSizes, Evidence, Hypothesis, Null, Scanned
from triggerfish.results.deciding import deciding_rows
from triggerfish.verdict.conclude import conclude

SEEDS = range(60)
TESTS = (("universal", Null("same-task", "MNIST", 15)), ("sure images", Null("outliers")))


def made(seed: int) -> Scanned:
    """Random sizes, scores by one or two tests, and a confirmation test of random success."""
    random = Random(seed)
    sizes = [10 ** random.uniform(-0.5, 1.5) for _ in NAMES]
    target = random.randrange(len(NAMES))
    rows = []
    for test, null in random.sample(TESTS, random.choice((1, 2))):
        level = level_of(test, "target", null.kind)
        assert level is not None
        for k in range(len(NAMES)):
            top = 3.0 if k == target else 1.4
            clean = random.randrange(15) if null.kind == "same-task" else None
            rows.append(
                Evidence(Hypothesis("target", k), test, random.uniform(-1, top), level.flag_at,
                         level.suspect_at, null, clean_as_high=clean,
                         clean_networks=None if clean is None else 15)
            )  # fmt: skip
    median = sorted(sizes)[len(sizes) // 2]
    shown = tuple(
        replace(perturbation(), target=k, size=sizes[k], median_size=median,
                success_rate=random.random())
        for k in range(len(NAMES))
    )  # fmt: skip
    waves = [10 ** random.uniform(-0.5, 1.5) for _ in NAMES]
    measured = (
        ClassSizes("pixel", torch.tensor(sizes).double()),
        ClassSizes("frequency", torch.tensor(waves).double()),
    )
    part = replace(universal(), sizes=measured, perturbations=shown)
    scores = replace(found().scores, parts=(part,), pairs=None)
    verdict = conclude(rows)
    again = confirmation()
    evidence = replace(
        again.evidence[0], success_rate=random.random(),
        controls=tuple(random.random() for _ in range(9)),
    )  # fmt: skip
    lead = evidence.lead
    grade = "confirmed" if lead > 0.45 else "unclear" if lead > 0.25 else "refuted"
    test_of = replace(again, target=target, grade=grade, lead=lead, evidence=(evidence,))
    return replace(
        found(), scores=scores, verdict=verdict, confirmations=(test_of,), trials=(),
    )  # fmt: skip


def words(page: str) -> str:
    body = re.sub(r"<(style|script).*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", body).split())


@pytest.mark.parametrize("seed", SEEDS)
def test_an_index_is_on_the_side_of_its_threshold_that_the_verdict_says(seed: int) -> None:
    result = made(seed)
    lines = details(result, PLAIN)
    for index, threshold in re.findall(
        r"is (-?[\d.]+), threshold ([\d.]+): (?:strong|bord)", lines
    ):
        assert result.verdict.accused
        assert float(index) >= float(threshold)
    for index, threshold in re.findall(
        r"is not flagged: [^;\n]*?is (-?[\d.]+).*?threshold ([\d.]+)", lines
    ):
        assert float(index) <= float(threshold)
    assert ("Borderline" in lines) == (
        (severity := severity_of(result.verdict)) is not None and severity.grade == "borderline"
    )


def by_a_pair() -> Scanned:
    """Class 3 is flagged by pairs, while another class leads the test that comes first."""
    task = Null("same-task", "CIFAR-10", 22)
    rows = [
        Evidence(Hypothesis("target", k), "universal", 0.67 if k == 5 else 0.2, 0.95, 0.65, task)
        for k in range(len(NAMES))
    ]
    pair = Evidence(Hypothesis("pair", 3, 5), "ways out", 1.9, 1.35, 1.1, Null("outliers"))
    return replace(found(), verdict=conclude([*rows, pair]), confirmations=(), trials=())


FLAGGED_BY_OTHERS = {
    "a pair": (by_a_pair, "1.90 / 1.35"),
    "a stamp": (in_program_with_a_stamp, "1.00 / 0.90"),
    "a program": (in_program, "-"),
}


def numbers(index: object, threshold: object) -> str:
    """As the terminal has them; what is no number is empty."""
    said = [format(float(str(v)), ".2f") if v not in (None, "") else "" for v in (index, threshold)]
    return f"{said[0]} / {said[1] or '-'}" if said[0] else "-"


def shown_by_format(result: Scanned) -> dict[str, str]:
    """The index and its threshold, by each format that has them in fields of their own."""

    def text(name: str) -> str:
        return "".join(FORMATS[name]([result]))

    (row,) = csv.DictReader(text("csv").splitlines())
    found = {"csv": numbers(row["largest_anomaly_index"], row["threshold"])}
    for finding in json.loads(text("sarif"))["runs"][0]["results"]:
        properties = finding["properties"]
        found["sarif"] = numbers(properties["largestAnomalyIndex"], properties["threshold"])
    (part,) = json.loads(text("cyclonedx"))["components"]
    (metric,) = part["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    (level,) = (p["value"] for p in part["properties"] if p["name"] == "triggerfish:threshold")
    index = metric["value"].replace("not measured", "")
    found["cyclonedx"] = numbers(index, level.replace("none", ""))
    cells = [cell.strip() for cell in text("markdown").splitlines()[4].split("|")]
    found["markdown"] = numbers(*("" if cell == "-" else cell for cell in cells[3:5]))
    return found


@pytest.mark.parametrize("name", FLAGGED_BY_OTHERS)
def test_all_formats_show_the_numbers_of_the_test_that_flags(name: str) -> None:
    make, expected = FLAGGED_BY_OTHERS[name]
    assert beside_threshold(make()) == expected
    assert set(shown_by_format(make()).values()) == {expected}


@pytest.mark.parametrize("seed", SEEDS)
def test_all_formats_show_the_same_index_and_threshold(seed: int) -> None:
    result = made(seed)
    assert set(shown_by_format(result).values()) == {beside_threshold(result)}


def test_the_row_of_a_class_is_that_of_the_headline() -> None:
    row = deciding_rows(in_program_with_a_stamp().verdict)[7]
    assert row is not None
    assert (row.test, row.score, row.flag_at) == ("plain stamps", 1.0, 0.9)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_smaller_pattern_than_that_of_a_flagged_class_is_explained(seed: int) -> None:
    result = made(seed)
    lines, sizes = details(result, PLAIN), result.scores.parts[0].sizes[0].size.tolist()
    for k in result.verdict.flagged:
        smaller = [
            j for j, v in enumerate(sizes) if v < sizes[k] and j not in result.verdict.flagged
        ]
        said = lines.partition(f"smallest pattern for class {k} ")[2].partition("smallest pattern")[
            0
        ]
        assert said.count(" needs less, ") == min(2, len(smaller))
        not_small = sizes[k] >= sorted(sizes)[len(sizes) // 2]
        assert ("is not small beside the median class" in said) == not_small


@pytest.mark.parametrize("seed", SEEDS)
def test_a_confirmation_test_says_its_best_control(seed: int) -> None:
    (test,) = made(seed).confirmations
    said = confirmation_in_short(test, NAMES)
    shares = [int(v) for v in re.findall(r"(\d+) %", said)]
    item = test.evidence[0]
    assert abs(shares[0] - 100 * item.success_rate) <= 0.5
    assert max(shares[1:]) >= 100 * max(item.controls) - 5.5
    assert ("passed" in said) == (shares[0] - shares[1] > 45.5 or test.grade == "confirmed")


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_marked_as_flipped_where_nothing_is_found(seed: int) -> None:
    result = made(seed)
    page = render_page(result)
    if not result.verdict.accused:
        assert "→" not in page
        assert 'class="flipped"' not in page
        assert "Likely backdoored" not in words(page)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_table_of_classes_agrees_with_itself(seed: int) -> None:
    result = made(seed)
    found = {
        SHORT[one.basis]: (one.size, float(one.size.quantile(0.5)))
        for one in result.scores.parts[0].sizes
    }
    for row in re.findall(r"<tr[^>]*><td><img.*?</tr>", render_page(result), flags=re.DOTALL):
        cells = [
            " ".join(re.sub(r"<[^>]*>", "", c).split())
            for c in re.findall(r"<t[dh].*?</t[dh]>", row)
        ]
        k, (size, unit), beside = int(cells[1].split()[0]), cells[3].split(" ", 1), cells[4]
        factors = {name: median / float(v[k]) for name, (v, median) in found.items()}
        assert math.isclose(float(size), float(found[unit][0][k]), rel_tol=0.06)
        assert factors[unit] == max(factors.values())
        if "times" in beside:
            said = float(beside.split()[0]) ** (1 if "smaller" in beside else -1)
            assert math.isclose(said, factors[unit], rel_tol=0.06)
        else:
            assert beside == "as large"


def test_sizes_have_no_exponent() -> None:
    assert [sized(v) for v in (0.574, 34.4, 99.4, 99.6, 214.3)] == [
        "0.57",
        "34",
        "99",
        "100",
        "214",
    ]
