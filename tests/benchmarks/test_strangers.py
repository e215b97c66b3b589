"""The benchmark on networks of other people, on a made-up folder of them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks import stranger_rows, stranger_tables
from benchmarks.corpus import classifier_of, records
from benchmarks.stranger_rows import Row, read_rows, write_rows
from benchmarks.strangers import main, setup_of, waiting
from triggerfish.references.store import read_reference

CODE = """
import torch
from torch import nn

def load(record):
    torch.manual_seed(int(record["id"][-2:]))
    return nn.Sequential(nn.Flatten(), nn.Linear(48, 16), nn.ReLU(), nn.Linear(16, 7)).eval()
"""


def about(number: int, split: str = "develop") -> dict:
    return {
        "id": f"made-up-{number:02}", "split": split, "data": "mnist", "attacked": False,
        "input_shape": [3, 4, 4], "head": "logits", "num_classes": 7,
    }  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "networks.py").write_text(CODE)
    found = [*(about(k) for k in range(11)), about(11, "report")]
    (tmp_path / "manifest.jsonl").write_text("".join(f"{json.dumps(r)}\n" for r in found))
    return tmp_path


def run(*arguments: object) -> str:
    result = CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_one_split_is_read_and_opened(folder: Path) -> None:
    assert len(records(folder, "develop")) == 11
    (report,) = records(folder, "report")
    assert classifier_of(folder, report).num_classes == 7


def test_scans_go_on_where_they_stopped_and_make_a_reference(folder: Path) -> None:
    out = folder / "out"
    scan = ("scan", folder, "--split", "develop", "--detector", "last-layer", "--out", out)
    assert "1 to scan" in run(*scan, "--only", "-03")
    assert "10 to scan" in run(*scan)
    assert "0 to scan" in run(*scan)
    rows = read_rows("last-layer", out)
    assert list(rows) == [f"made-up-{k:02}" for k in range(11)]
    assert all(len(row.statistic) == 7 and row.split == "develop" for row in rows.values())
    run("reference", "--detector", "last-layer", "--out", out, "--to", folder)
    made = read_reference(folder / "any-network-last-layer.json")
    assert (made.kind, made.size) == ("any-network", 11)
    highest = max(v for row in rows.values() for v in row.statistic if v is not None)
    assert made.raw_maxima().max() == pytest.approx(highest, rel=1e-4)


def test_another_setup_asks_again() -> None:
    found = [about(1), about(2)]
    rows = {"made-up-01": row("made-up-01", setup=setup_of("mm-bd"))}
    assert [r["id"] for r in waiting(found, rows, setup_of("mm-bd"))] == ["made-up-02"]
    assert len(waiting(found, rows, setup_of("ensemble"))) == 2
    assert setup_of("ensemble") != setup_of("universal")


def row(name: str, **values: object) -> Row:
    """A clean network without any finding."""
    usual = Row(
        id=name, split="report", data="cifar10", attacked=False, attack="", trigger="", targets=(),
        success=None, setup="s", verdict="clean", flagged=(), all_flagged=False, reasons=(),
        statistic=(0.1, 0.2, None), index=(0.1, 0.2, None), all_classes=None, parts={},
        seconds=1.0, cpu_seconds=1.0,
    )  # fmt: skip
    return replace(usual, **values)


def attacked(name: str, kind: str, flagged: tuple[int, ...], **values: object) -> Row:
    usual = {
        "attacked": True, "attack": kind, "trigger": "patch", "targets": (1,), "success": 0.95,
        "verdict": "backdoored" if flagged else "inconclusive", "flagged": flagged,
        "index": (0.3, 2.0, None),
    }  # fmt: skip
    return row(name, **(usual | values))


ROWS = [
    row("a"),
    row("b", verdict="inconclusive", index=(0.5, 0.1, None)),
    row("c", data="mnist", verdict="backdoored", flagged=(0,), index=(1.5, 0.1, None)),
    attacked("d", "all-to-one", (1,)),
    attacked("e", "all-to-one", (0, 1)),
    attacked("f", "all-to-one", (), index=(0.4, 0.3, None)),
    attacked("g", "all-to-all", (), targets=(0, 1, 2), verdict="backdoored", all_flagged=True),
    attacked("h", "source-specific", (1,)),
    attacked("i", "source-specific", (), success=0.5),
]


def test_rows_are_read_as_they_were_written(tmp_path: Path) -> None:
    rows = {r.id: r for r in ROWS}
    write_rows("ensemble", rows, tmp_path)
    assert read_rows("ensemble", tmp_path) == rows
    assert read_rows("mm-bd", tmp_path) == {}


def test_rates_of_a_detector() -> None:
    flagged, doubt, exact, among, first, auroc, everywhere, specific = stranger_tables.cells(ROWS)
    assert flagged.startswith("1 of 3 ")
    assert doubt.startswith("1 of 3 ")
    assert exact.startswith("1 of 3 ")
    assert among.startswith("2 of 3 ")
    assert first.startswith("2 of 3 ")
    # 2.0, 2.0 and 0.4 against 0.2, 0.5 and 1.5: seven of nine pairs.
    assert auroc.startswith("0.778 (")
    assert everywhere.startswith("1 of 1 ")
    assert specific.startswith("1 of 1 ")


def test_tables_show_one_split_and_all_data_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = {r.id: r for r in [*ROWS, row("z", split="develop", data="fashion-mnist")]}
    write_rows("ensemble", rows, tmp_path)
    write_rows("last-layer", {"a": row("a")}, tmp_path)
    monkeypatch.setattr(stranger_rows, "FOLDER", tmp_path)
    monkeypatch.setattr(stranger_tables, "FOLDER", tmp_path)
    monkeypatch.setattr(stranger_tables, "read_rows", lambda name: read_rows(name, tmp_path))
    lines = stranger_tables.side_by_side("report").splitlines()[2:]
    kinds = [tuple(cell.strip() for cell in line.split("|")[1:3]) for line in lines]
    assert kinds == [
        ("all", "ensemble"), ("all", "last-layer"), ("cifar10", "ensemble"),
        ("cifar10", "last-layer"), ("mnist", "ensemble"),
    ]  # fmt: skip
    assert "fashion" not in stranger_tables.brief("report")
    assert "fashion-mnist" in stranger_tables.brief("develop")
    assert stranger_tables.attacks("report").count("\n") == 2 + 3


def test_a_check_tells_an_answer_that_has_changed(folder: Path) -> None:
    out = folder / "out"
    run("scan", folder, "--split", "develop", "--detector", "last-layer", "--out", out)
    check = ("check", str(folder), "--detector", "last-layer", "--out", str(out), "--only", "-0")
    assert run(*check, "--count", 2).count("as before") == 2
    noisy = {k: replace(row, index=(9.0,) * 7) for k, row in read_rows("last-layer", out).items()}
    write_rows("last-layer", noisy, out)
    assert CliRunner().invoke(main, [*check, "--count", "1"]).exit_code == 1
    write_rows("last-layer", {k: replace(row, setup="") for k, row in noisy.items()}, out)
    assert run(*check, "--count", 1).count("as before") == 1
    rows = read_rows("last-layer", out)
    other = {key: replace(row, verdict="unheard-of") for key, row in rows.items()}
    write_rows("last-layer", other, out)
    result = CliRunner().invoke(main, [*check, "--count", "2"])
    assert result.exit_code == 1
    assert "verdict: unheard-of -> " in result.output
    assert "2 answers differ, 10 networks have a row" in result.output
