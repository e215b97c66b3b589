from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from made_up import clean, found

from triggerfish.reports.json_report import render_result

Cli = Callable[..., SimpleNamespace]
# The decimals of one number look like seconds, which the fixture masks.
EXPECTED = """\
class 7 (horse) of zoo/stranger model.pt: flagged
anomaly index 2.90, threshold 1.40 (test: universal-pixel); rank 1 of 9 measured classes
unusual by: universal-pixel, min-norm
smallest pattern for class 7 (horse): 0.34 px (median class: 9.7 px); works on 94 % of held-out images
confirmation test of class 7 (horse): passed (92 %; equally small patterns for other classes: 21 %, and for one 30 %)
scores by detector
  minimum change of single images                           S.S  rank 1 of 9 measured classes
  universal change                                         3.35  rank 1 of 9 measured classes
  by each run of the search                                      2.95, 2.85
also measured: this class, and the median class
  smallest change of an image, px, from black              0.55  9.5
  size of the pattern, pixels                              0.34  9.9
strongest class pairs
  from 3 (cat)                                              2.1
  from 4 (deer)                                           0.422
  from 0 (plane)                                          0.187
  to 3 (cat)                                              0.543
  to 4 (deer)                                              0.46
  to 2 (bird)                                             0.381
"""  # noqa: E501


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    (tmp_path / "result.json").write_text(render_result(found()))
    return tmp_path


@pytest.mark.parametrize("options", [("--class", 7), ("--class", "horse"), ()])
def test_one_class_in_depth(options: tuple[object, ...], triggerfish: Cli, stored: Path) -> None:
    run = triggerfish("explain", stored, *options)
    assert (run.code, run.out, run.err) == (0, EXPECTED, "")


def test_a_class_that_was_not_measured(triggerfish: Cli, stored: Path) -> None:
    lines = triggerfish("explain", stored, "--class", "deer").out.splitlines()
    assert lines[:2] == [
        "class 4 (deer) of zoo/stranger model.pt: not flagged",
        "not measured: the search ended unreachable",
    ]


@pytest.mark.parametrize("wanted", ["10", "-1", "zebra", "1.5"])
def test_an_unknown_class_is_a_usage_error(wanted: str, triggerfish: Cli, stored: Path) -> None:
    run = triggerfish("explain", stored, "--class", wanted)
    assert run.code == 2
    assert f"--class {wanted}: the classes are 0 to 9, or named plane and so on" in run.err


def test_more_than_one_model_is_a_usage_error(triggerfish: Cli, stored: Path) -> None:
    (stored / "other").mkdir()
    (stored / "other" / "result.json").write_text(render_result(clean()))
    run = triggerfish("explain", stored)
    assert run.code == 2
    assert "holds results of 2 models" in run.err
