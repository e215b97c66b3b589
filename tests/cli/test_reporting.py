"""What `scan` does with results, whatever they are: the search itself is replaced."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from made_up import clean, dangerous, found, inconclusive, unreadable

from triggerfish.cli.report_options import read_class_names
from triggerfish.results import Scanned, Skipped

Cli = Callable[..., SimpleNamespace]


@pytest.fixture
def results(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Scanned | Skipped]:
    """What the next scan gives; a file for each in ``models``."""
    given: list[Scanned | Skipped] = []
    (tmp_path / "models").mkdir()

    def scan_paths(*_: object, **__: object) -> Iterator[Scanned | Skipped]:
        yield from given

    monkeypatch.setattr("triggerfish.cli.scan.scan_paths", scan_paths)
    monkeypatch.setattr("triggerfish.cli.scan.find_checkpoints", lambda _: given)
    monkeypatch.chdir(tmp_path)
    return given


def test_a_page_per_model_and_an_overview_beside_the_results(
    triggerfish: Cli, results: list[Scanned | Skipped], tmp_path: Path
) -> None:
    results += [found(), dangerous(), clean()]
    run = triggerfish("scan", "models", "--out", "out")
    assert run.code == 1
    overview = (tmp_path / "out" / "report.html").read_text()
    for name in ("stranger model", "evil", "good"):
        assert (tmp_path / "out" / name / "report.html").is_file()
        assert f'href="{name}/report.html"' in overview
    skipped = json.loads((tmp_path / "out" / "evil" / "result.json").read_text())
    assert (skipped["outcome"], skipped["imports"]) == ("dangerous", ["os.system"])


def test_html_is_one_file(triggerfish: Cli, results: list[Scanned | Skipped]) -> None:
    results += [found(), unreadable()]
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
    results: list[Scanned | Skipped],
) -> None:
    results.append(given())
    assert triggerfish("scan", "models", *options).code == code


def test_a_flagged_model_that_is_accepted_passes_the_gate_and_is_not_clean(
    triggerfish: Cli, results: list[Scanned | Skipped]
) -> None:
    results.append(found())
    Path("list.toml").write_text(
        f"[[accept]]\nsha256 = '{'ab' * 32}'\nreason = 'mine'\nuntil = 2999-01-01\n"
    )
    run = triggerfish("scan", "models", "--accept", "list.toml")
    assert run.code == 0
    assert run.out.splitlines()[1].startswith("accepted ")
    assert "Accepted until 2999-01-01 (mine). What was found: Likely backdoored" in run.out
    assert run.out.endswith(
        "0 scanned: 0 flagged, 0 inconclusive, 0 clean; 0 skipped; 1 accepted\n"
    )


def test_class_names_from_a_file(triggerfish: Cli, results: list[Scanned | Skipped]) -> None:
    results.append(replace(found(), class_names=()))
    names = [f"kind {k}" for k in range(10)]
    Path("names.txt").write_text("\n".join(names) + "\n\n")
    run = triggerfish("scan", "models", "--class-names", "names.txt", "--format", "json")
    (result,) = json.loads(run.out)["results"]
    assert result["class_names"] == names
    assert read_class_names(Path("names.txt")) == tuple(names)


def test_the_command_that_repeats_a_scan_has_what_was_given_and_this_model_alone(
    triggerfish: Cli, results: list[Scanned | Skipped]
) -> None:
    results.append(found())
    run = triggerfish(
        "scan", "models", "--mean", "0.5", "--arch-args", "a=1", "--arch-args", "b=2",
        "--seed", 7, "--channels-last", "--jobs", 2, "--format", "json", "--out", "out",
    )  # fmt: skip
    (result,) = json.loads(run.out)["results"]
    command = result["command"].partition("scan ")[2]
    assert command.endswith(" 'zoo/stranger model.pt'")
    assert set(command.split(" ")[:-2]) == {
        "--mean", "0.5", "--arch-args", "a=1", "b=2", "--seed", "7", "--channels-last"
    }  # fmt: skip


def test_files_that_are_no_models_are_counted_and_named(
    triggerfish: Cli, results: list[Scanned | Skipped], tmp_path: Path
) -> None:
    results.append(clean())
    for name in ("a.npz", "b.npz", "readme", "model.pt", "model.card.toml", ".hidden"):
        (tmp_path / "models" / name).write_text("")
    run = triggerfish("scan", "models")
    assert run.code == 0
    assert run.out.endswith("3 other files not looked at (.npz 2, no suffix 1)\n")


def test_an_unwritable_report_ends_before_the_scan(
    triggerfish: Cli, results: list[Scanned | Skipped], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    run = triggerfish("scan", "models", "--html", "file/report.html")
    assert run.code == 2
    assert run.err.startswith("error: expected a writable")
