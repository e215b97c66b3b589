import csv
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import made_up
import pytest
from verdicts import altered

from triggerfish.parallel import processes
from triggerfish.results import Skipped
from triggerfish.runs.model import Model
from triggerfish.runs.run import Row

Cli = Callable[..., SimpleNamespace]
QUICK = ("--detector", "min-norm", "--steps", 4, "--jobs", 1)


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    file = tmp_path / "broken.pt"
    file.write_text("not a model")
    return file


def test_table_and_flag(triggerfish: Cli, models: Path) -> None:
    run = triggerfish("scan", *QUICK, models)
    assert run.code == 1
    assert run.err == "for a page that shows the pattern: scan again with --out FOLDER\n"
    lines = run.out.splitlines()
    assert lines[0] == "verdict          target  index / threshold       p-value  seconds  model"
    assert lines[1].startswith("clean                 -  ")
    assert lines[1].endswith(f"S.S  {models}/clean.pt")
    assert lines[2].startswith("backdoored            3  ")
    assert lines[2].endswith(f"S.S  {models}/planted.pt")
    assert lines[4] == f"{models}/clean.pt"
    assert lines[5] == "  Guessed wiring: --arch paper_cnn, from its keys and shapes."
    assert lines[7].startswith("  guessed (set with the options shown): --")
    assert lines[9] == f"{models}/planted.pt"
    assert lines[10] == lines[5]
    assert lines[12].startswith(
        "  Likely backdoored: an unusually small pattern sends images to class 3"
    )
    assert lines[-1] == "2 scanned: 1 flagged, 0 inconclusive, 1 clean; 0 skipped"


@pytest.mark.slow  # tests/test_scanning.py compares two processes with one on every run
def test_processes_change_nothing(triggerfish: Cli, models: Path) -> None:
    two, one = (triggerfish("scan", *QUICK, "--jobs", n, models) for n in (2, 1))
    assert (two.code, two.out) == (one.code, one.out)


@pytest.mark.parametrize(
    ("jobs", "models", "expected"), [(8, 3, 3), (2, 100, 2), (None, 1, 1), (None, 0, 1)]
)
def test_how_many_processes(jobs: int | None, models: int, expected: int) -> None:
    assert processes(jobs, models) == expected


def test_nothing_flagged_is_zero(triggerfish: Cli, models: Path) -> None:
    run = triggerfish("scan", *QUICK, models / "clean.pt")
    assert run.code == 0
    assert run.out.endswith("1 scanned: 0 flagged, 0 inconclusive, 1 clean; 0 skipped\n")


def test_a_skipped_file_is_named_and_is_not_clean(
    triggerfish: Cli, models: Path, broken: Path
) -> None:
    run = triggerfish("scan", *QUICK, broken, models / "clean.pt")
    assert run.code == 3
    lines = run.out.splitlines()
    assert (
        lines[1] == f"skipped               -                  -             -        -  {broken}"
    )
    assert lines[2].startswith("clean ")
    assert lines[4] == str(broken)
    assert lines[6].startswith(f"  because: {broken} is a text file")
    assert lines[-1] == "1 scanned: 0 flagged, 0 inconclusive, 1 clean; 1 skipped"


def test_a_flag_outweighs_a_skipped_file(triggerfish: Cli, models: Path, broken: Path) -> None:
    assert triggerfish("scan", *QUICK, broken, models / "planted.pt").code == 1


ALL_CLASSES = """\
verdict          target  index / threshold       p-value  seconds  model
backdoored          all        2.00 / 1.00  uncalibrated     S.S  zoo/good.pt

zoo/good.pt
"""


def test_an_attack_on_every_class(
    triggerfish: Cli, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdict = altered(made_up.clean().verdict, all_classes=True)
    found = replace(made_up.clean(), verdict=verdict)
    row = Row(Path("zoo/good.pt"), found)
    monkeypatch.setattr("triggerfish.runs.files.run", lambda *_, **__: (row for _ in range(1)))
    run = triggerfish("scan", models / "clean.pt")
    assert run.code == 1
    assert run.out.startswith(ALL_CLASSES)
    assert "  Likely backdoored: one small p" in run.out
    assert run.out.endswith("1 scanned: 1 flagged, 0 inconclusive, 0 clean; 0 skipped\n")
    document = json.loads(triggerfish("scan", models / "clean.pt", "--format", "json").out)
    (result,) = document["results"]
    assert (result["verdict"], result["flagged"]) == ("backdoored", [])
    assert result["all_classes"] is True


@pytest.mark.parametrize("output_format", ["table", "csv", "json"])
def test_nothing_scanned_is_a_failure(
    output_format: str, triggerfish: Cli, broken: Path, tmp_path: Path
) -> None:
    run = triggerfish("scan", broken, tmp_path / "missing.pt", "--format", output_format)
    assert run.code == 2
    last = (run.out if output_format == "table" else run.err).splitlines()[-1]
    assert last == "0 scanned: 0 flagged, 0 inconclusive, 0 clean; 2 skipped"


def test_an_empty_folder_is_a_usage_error(triggerfish: Cli, tmp_path: Path) -> None:
    run = triggerfish("scan", tmp_path)
    assert (run.code, run.out) == (2, "")
    assert run.err == f"error: {tmp_path}: no model files\n"


def test_json_is_alone_on_stdout(triggerfish: Cli, models: Path, broken: Path) -> None:
    run = triggerfish("scan", *QUICK, models / "planted.pt", broken, "--format", "json")
    document = json.loads(run.out)
    scanned, skipped = document["results"]
    assert document["schema_version"] == 3
    assert (scanned["verdict"], scanned["flagged"]) == ("backdoored", [3])
    assert len(scanned["anomaly_index"]) == len(scanned["scores"]["statistic"]) == 10
    assert scanned["config"]["settings"]["steps"] == 4
    assert skipped["status"] == "skipped"
    assert "verdict" not in skipped
    assert run.err.startswith("1 scanned: 1 flagged, 0 inconclusive, 0 clean; 1 skipped\n")


def test_published_artefacts(triggerfish: Cli, models: Path, tmp_path: Path) -> None:
    quick = ("--steps", 4, "--jobs", 1, "--halvings", 2)
    triggerfish("scan", "--preset", "published", *quick, models, "--out", tmp_path)
    for name in ("clean", "planted"):
        folder = tmp_path / name
        names = {file.name for file in folder.iterdir()}
        expected = {"l1_search_summary.csv", "l1_outlier_plot_mad.png", "classes.png"}
        assert names == expected | {"result.json", "report.html"} | {
            f"class_{k}.png" for k in range(10)
        }
        with (folder / "l1_search_summary.csv").open() as file:
            rows = list(csv.reader(file))
        assert rows[0][:5] == ["label", "best_l1", "achieved_prob", "image_path", "logit_0"]
        assert rows[0][-1] == "status"
        assert [row[0] for row in rows[1:]] == [str(k) for k in range(10)]


def test_models_of_one_name_do_not_share_a_folder(
    triggerfish: Cli, models: Path, tmp_path: Path
) -> None:
    for name, source in (("a", "clean"), ("b", "planted")):
        (tmp_path / name).mkdir()
        shutil.copy(models / f"{source}.pt", tmp_path / name / "model.pt")
    triggerfish("scan", *QUICK, tmp_path / "a", tmp_path / "b", "--out", tmp_path / "out")
    owners = {
        file.parent.name: json.loads(file.read_text())["path"]
        for file in (tmp_path / "out").glob("*/result.json")
    }
    assert owners == {
        "model": str(tmp_path / "a" / "model.pt"),
        "model-2": str(tmp_path / "b" / "model.pt"),
    }


def test_an_unwritable_folder_ends_before_scanning(
    triggerfish: Cli, models: Path, broken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("triggerfish.runs.files.run", None)
    run = triggerfish("scan", models, "--out", broken)
    assert (run.code, run.out) == (2, "")
    assert run.err == (
        f"error: expected a writable {broken}, got 'File exists': choose another --out\n"
    )


def test_ctrl_c_keeps_what_is_done(
    triggerfish: Cli, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(found: list[Model], *_: object, **__: object) -> Iterator[Row]:
        yield Row(found[0].path, Skipped(found[0].path, "expected A, got B"))
        raise KeyboardInterrupt

    monkeypatch.setattr("triggerfish.runs.files.run", interrupted)
    run = triggerfish("scan", models, "--format", "json")
    assert run.code == 130
    assert len(json.loads(run.out)["results"]) == 1
    assert run.err.splitlines()[-2:] == [
        f"not reached: 1 model ({models / 'planted.pt'}). Without --out nothing is kept: "
        "add --out FOLDER to go on another time",
        "interrupted",
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--steps", 0), "expected steps"),
        (
            ("--detector", "min-norm", "--target-prob", 1.5),
            "--target-prob is between 0 and 1, not 1.5",
        ),
        (
            ("--halvings", 3),
            "ensemble has no setting --halvings: drop it, or take --detector l1-weight",
        ),
        (
            ("--preset", "published", "--detector", "min-norm"),
            "--preset published is the detector l1-weight, not min-norm",
        ),
        (("--detector", "nonsense"), "'nonsense' is not one of"),
        (("--detector", "l1-weight", "--outlier-test", "largest"), "expected --threshold with"),
        (
            ("--preset", "published", "--reference", "r.json"),
            "--reference and --preset published exclude each other",
        ),
    ],
)
def test_wrong_options_are_usage_errors(
    options: tuple[object, ...], message: str, triggerfish: Cli, models: Path
) -> None:
    run = triggerfish("scan", models, *options)
    assert (run.code, run.out) == (2, "")
    assert message in run.err


def test_loading_options_reach_the_loader(triggerfish: Cli, models: Path) -> None:
    run = triggerfish("scan", *QUICK, models / "clean.pt", "--input-shape", "3,28,28")
    assert run.code == 2
    assert "skipped" in run.out
    shown = triggerfish(
        "scan", *QUICK, models / "clean.pt", "--mean", 0, "--std", 1, "--format", "json"
    )
    default = triggerfish("scan", *QUICK, models / "clean.pt", "--format", "json")
    statistics = [json.loads(r.out)["results"][0]["scores"]["statistic"] for r in (shown, default)]
    assert statistics[0] != statistics[1]
