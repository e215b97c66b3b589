import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from made_up import EVERYTHING, accepted, clean, dangerous, found, inconclusive, unreadable

from triggerfish.cli.exit_codes import exit_code
from triggerfish.codec.tensors import Shelf, render_tensors
from triggerfish.reports import FORMATS
from triggerfish.reports.artefacts import EVIDENCE
from triggerfish.reports.json_report import as_dict, json_schema, render_result
from triggerfish.reports.summary import Summary
from triggerfish.results import Scanned, Skipped

Cli = Callable[..., SimpleNamespace]


def store(folder: Path, *results: Scanned | Skipped) -> Path:
    for number, result in enumerate(results):
        (folder / str(number)).mkdir(parents=True)
        (folder / str(number) / "result.json").write_text(render_result(result))
        shelf = Shelf()
        as_dict(result, shelf)
        if (tensors := render_tensors(shelf.tensors)) is not None:
            (folder / str(number) / EVIDENCE).write_bytes(tensors)
    return folder


@pytest.mark.parametrize("output_format", FORMATS)
def test_any_format_of_stored_results(output_format: str, triggerfish: Cli, tmp_path: Path) -> None:
    results = [make() for make in EVERYTHING.values()]
    run = triggerfish("report", store(tmp_path, *results), "--format", output_format)
    assert (run.code, run.err) == (1, "")
    if output_format not in ("table", "html"):  # seconds are masked; no pictures are stored here
        assert run.out == "".join(FORMATS[output_format](results))


@pytest.mark.parametrize(
    ("results", "options", "code"),
    [
        ((clean,), (), 0),
        ((clean, found), (), 1),
        ((clean, inconclusive), (), 3),
        ((clean, unreadable), (), 3),
        ((unreadable,), (), 2),
        ((dangerous,), (), 4),
        ((clean, dangerous), (), 4),
        ((found, dangerous), (), 1),
        ((accepted,), (), 0),
        ((accepted, clean), (), 0),
        ((clean, inconclusive), ("--fail-on", "flagged"), 0),
        ((clean, inconclusive), ("--fail-on", "inconclusive"), 3),
        ((clean, unreadable), ("--fail-on", "inconclusive"), 0),
        ((clean, unreadable), ("--fail-on", "skipped"), 3),
        ((clean, dangerous), ("--fail-on", "flagged"), 4),
        ((unreadable,), ("--fail-on", "flagged"), 2),
        ((found,), ("--fail-on", "flagged"), 1),
    ],
)
def test_exit_codes(
    results: tuple[Callable[[], Scanned | Skipped], ...],
    options: tuple[str, ...],
    code: int,
    triggerfish: Cli,
    tmp_path: Path,
) -> None:
    store(tmp_path, *(make() for make in results))
    assert triggerfish("report", tmp_path, *options).code == code


def test_an_empty_scan_is_a_failure() -> None:
    assert exit_code(Summary(), "flagged") == 2


def test_the_schema_is_printed_without_results(triggerfish: Cli) -> None:
    run = triggerfish("report", "--schema")
    assert (run.code, run.out) == (0, json_schema())
    json.loads(run.out)


def test_what_is_no_result_is_one_line(triggerfish: Cli, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("nonsense")
    run = triggerfish("report", tmp_path / "a.json")
    assert (run.code, run.err.count("\n")) == (2, 1)
    assert run.err.startswith("error: expected JSON or JSON lines in")


def test_nothing_is_printed_before_what_is_no_result(triggerfish: Cli, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    run = triggerfish("report", store(tmp_path / "run", clean()), tmp_path / "empty")
    assert (run.code, run.out) == (2, "")
    assert f"{tmp_path / 'empty'}" in run.err


def test_quiet_and_verbose_exclude_each_other(triggerfish: Cli, tmp_path: Path) -> None:
    run = triggerfish("report", store(tmp_path, clean()), "-q", "-v")
    assert run.code == 2
    assert "--quiet and --verbose exclude each other: drop one" in run.err
