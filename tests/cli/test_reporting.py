"""What `scan` does with results, whatever they are: the search itself is replaced."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

import pytest
from made_up import clean, dangerous, found, inconclusive, unreadable

from triggerfish.cli.report_options import read_class_names
from triggerfish.results import Scanned, Skipped

Cli = Callable[..., SimpleNamespace]


Give = Callable[..., None]


@pytest.fixture
def give(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Give:
    """Put a file for each result into ``models``; a scan of it then gives that result."""
    known: dict[Path, Scanned | Skipped] = {}
    folder = Path("models")
    monkeypatch.chdir(tmp_path)
    folder.mkdir()

    def add(*results: Scanned | Skipped) -> None:
        for number, result in enumerate(results):
            assert result.path is not None
            path = folder / f"{number}-{result.path.name}"
            path.write_bytes(bytes([number]))
            known[path] = replace(result, path=path)

    monkeypatch.setattr("triggerfish.runs.outcome.scan_path", lambda path, *_: known[path])
    return add


def test_a_page_per_model_and_an_overview_beside_the_results(
    triggerfish: Cli, give: Give, tmp_path: Path
) -> None:
    give(found(), dangerous(), clean())
    run = triggerfish("scan", "models", "--out", "out")
    assert run.code == 1
    overview = (tmp_path / "out" / "report.html").read_text()
    for name in ("0-stranger model", "1-evil", "2-good"):
        assert (tmp_path / "out" / name / "report.html").is_file()
        assert f'href="{quote(name)}/report.html"' in overview
    skipped = json.loads((tmp_path / "out" / "1-evil" / "result.json").read_text())
    assert (skipped["outcome"], skipped["imports"]) == ("dangerous", ["os.system"])


def test_html_is_one_file(triggerfish: Cli, give: Give) -> None:
    give(found(), unreadable())
    triggerfish("scan", "models", "--html", "all.html")
    assert Path("all.html").read_text().count('<article class="page"') == 2


@pytest.mark.parametrize(
    ("given", "options", "code"),
    [
        (inconclusive, (), 3),
        (inconclusive, ("--fail-on", "flagged"), 0),
        (dangerous, ("--fail-on", "flagged"), 4),
        (clean, (), 0),
    ],
)
def test_the_gate(
    given: Callable[[], Scanned | Skipped],
    options: tuple[str, ...],
    code: int,
    triggerfish: Cli,
    give: Give,
) -> None:
    give(given())
    assert triggerfish("scan", "models", *options).code == code


def test_a_flagged_model_that_is_accepted_passes_the_gate_and_is_not_clean(
    triggerfish: Cli, give: Give
) -> None:
    give(found())
    Path("list.toml").write_text(
        f"[[accept]]\nsha256 = '{'ab' * 32}'\nreason = 'mine'\nuntil = 2999-01-01\n"
    )
    run = triggerfish("scan", "models", "--accept", "list.toml")
    assert run.code == 0
    assert run.out.splitlines()[1].startswith("accepted ")
    assert "Accepted until 2999-01-01 (mine). What was found: Likely backdoored" in run.out
    assert run.out.endswith(
        "1 scanned: 0 flagged, 0 inconclusive, 0 clean, 1 accepted; 0 skipped\n"
    )


def test_an_acceptance_that_is_over_or_matches_nothing_is_said_once(
    triggerfish: Cli, give: Give
) -> None:
    give(found(), clean())
    Path("list.toml").write_text(
        f"[[accept]]\nsha256 = '{'ab' * 32}'\nreason = 'mine'\nuntil = 2020-01-01\n"
        f"[[accept]]\nsha256 = '{'ef' * 32}'\nreason = 'gone'\nuntil = 2999-01-01\n"
    )
    over = (
        "list.toml: the acceptance of models/0-stranger model.pt ended on 2020-01-01. "
        "Give it a later day to accept the file again"
    )
    unused = "list.toml: 1 entry matches no file that was scanned (efefefefefef)"
    run = triggerfish("scan", "models", "--accept", "list.toml", "--out", "out")
    assert run.code == 1
    assert run.err.splitlines()[-2:] == [over, unused]
    assert triggerfish("report", "out", "--accept", "list.toml").err == f"{over}\n{unused}\n"
    run = triggerfish("scan", "models", "--accept", "list.toml", "--shard", "1/1", "--quiet")
    assert run.err == f"{over}\n"


def test_class_names_from_a_file(triggerfish: Cli, give: Give) -> None:
    give(replace(found(), class_names=()))
    names = [f"kind {k}" for k in range(10)]
    Path("names.txt").write_text("\n".join(names) + "\n\n")
    run = triggerfish("scan", "models", "--class-names", "names.txt", "--format", "json")
    (result,) = json.loads(run.out)["results"]
    assert result["class_names"] == names
    assert read_class_names(Path("names.txt")) == tuple(names)


def test_the_command_that_repeats_a_scan_has_what_was_given_and_this_model_alone(
    triggerfish: Cli, give: Give
) -> None:
    give(found())
    run = triggerfish(
        "scan", "models", "--mean", "0.5", "--arch-args", "a=1", "--arch-args", "b=2",
        "--seed", 7, "--channels-last", "--jobs", 2, "--format", "json", "--out", "out",
    )  # fmt: skip
    (result,) = json.loads(run.out)["results"]
    command = result["command"].partition("scan ")[2]
    assert command.endswith(" 'models/0-stranger model.pt'")
    assert set(command.split(" ")[:-2]) == {
        "--mean", "0.5", "--arch-args", "a=1", "b=2", "--seed", "7", "--channels-last"
    }  # fmt: skip


def test_files_that_are_no_models_are_counted_and_named(
    triggerfish: Cli, give: Give, tmp_path: Path
) -> None:
    give(clean())
    for name in ("a.npz", "b.npz", "readme", "model.card.toml", ".hidden"):
        (tmp_path / "models" / name).write_text("")
    run = triggerfish("scan", "models")
    assert run.code == 0
    assert run.out.endswith("3 other files that are no models (.npz 2, no suffix 1)\n")


def test_an_unwritable_report_ends_before_the_scan(
    triggerfish: Cli, give: Give, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    run = triggerfish("scan", "models", "--html", "file/report.html")
    assert run.code == 2
    assert run.err.startswith("error: expected a writable")


def test_a_report_of_a_run_folder_is_that_of_the_scan(triggerfish: Cli, give: Give) -> None:
    give(found(), clean(), dangerous())
    live = triggerfish("scan", "models", "--out", "out", "--format", "markdown")
    again = triggerfish("report", "out", "--format", "markdown")
    assert (again.code, again.out) == (live.code, live.out.replace("; 0 other files", ""))


def test_what_was_accepted_since_counts_for_stored_results_too(
    triggerfish: Cli, give: Give
) -> None:
    give(found())
    assert triggerfish("scan", "models", "--out", "out").code == 1
    Path("list.toml").write_text(
        f"[[accept]]\nsha256 = '{'ab' * 32}'\nreason = 'mine'\nuntil = 2999-01-01\n"
    )
    assert triggerfish("scan", "models", "--out", "out", "--accept", "list.toml").code == 0
    assert triggerfish("report", "out", "--accept", "list.toml").code == 0
    assert triggerfish("report", "out").code == 1


@pytest.mark.parametrize("output_format", ["table", "csv"])
def test_quiet_leaves_stderr_to_errors(output_format: str, triggerfish: Cli, give: Give) -> None:
    give(found(), clean())
    for _ in range(2):  # the second takes over what the first has done
        run = triggerfish("scan", "models", "--out", "out", "--quiet", "--format", output_format)
        assert (run.code, run.err) == (1, "")


def test_where_nothing_is_found_a_page_is_offered_once(triggerfish: Cli, give: Give) -> None:
    give(clean(), inconclusive())
    assert triggerfish("scan", "models").err == "for a page with the evidence, add --out FOLDER\n"
    for options in (("-q",), ("--out", "out"), ("--html", "all.html"), ("--format", "csv")):
        assert "add --out FOLDER" not in triggerfish("scan", "models", *options).err


def test_own_pictures_are_asked_for_before_the_scan(triggerfish: Cli, give: Give) -> None:
    give(found())
    Path("own").mkdir()
    run = triggerfish("scan", "models", "--images", "own")
    assert (run.code, run.out) == (2, "")
    assert "no images" in run.err
