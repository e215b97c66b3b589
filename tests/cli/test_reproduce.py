from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from triggerfish.cli import reproduce
from triggerfish.reports.master_summary import MasterRow
from triggerfish.reproduce import judged

Cli = Callable[..., SimpleNamespace]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, str]]:
    """Replace training and scanning; records (folder, models, objective)."""
    calls: list[tuple[str, int, str]] = []

    def scanned(folder, recipes, zoo, out, config, jobs) -> Iterator[MasterRow]:  # type: ignore[no-untyped-def]
        calls.append((folder, len(recipes), config.detector.objective))
        for i, file in enumerate(recipes):
            yield judged(folder, Path(file).stem, None, () if i else (3,))

    monkeypatch.setattr(reproduce, "make_zoo", lambda recipes, workshop: iter(()))
    monkeypatch.setattr(reproduce, "reproduce_folder", scanned)
    return calls


@pytest.mark.parametrize(
    "folders", [("--folders", "clean", "dynamic"), ("clean", "dynamic")], ids=["option", "plain"]
)
def test_folders_limit_and_objective(
    folders: tuple[str, ...], asked: list[tuple[str, int, str]], triggerfish: Cli, tmp_path: Path
) -> None:
    options = ("--limit", 4, "--objective", "probability", "--out", tmp_path, "--zoo", tmp_path)
    run = triggerfish("reproduce", *folders, *options)
    assert asked == [("clean", 4, "probability"), ("dynamic", 4, "probability")]
    assert run.code == 0
    assert run.out == (
        "folder      correct  models      rate  95 % interval\n"
        "clean             3       4     0.750  0.194-0.994\n"
        "dynamic           3       4     0.750  0.194-0.994\n"
    )
    assert run.err == f"wrote {tmp_path}/master_summary.csv\n"
    assert len((tmp_path / "master_summary.csv").read_text().splitlines()) == 9


def test_all_folders_by_default(
    asked: list[tuple[str, int, str]], triggerfish: Cli, tmp_path: Path
) -> None:
    assert triggerfish("reproduce", "--out", tmp_path, "--zoo", tmp_path).code == 0
    assert asked == [("backdoor", 100, "logit"), ("clean", 100, "logit"), ("dynamic", 100, "logit")]


def test_a_skipped_model_is_not_a_success(
    triggerfish: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = MasterRow("clean", "m", None, (), "skipped")
    monkeypatch.setattr(reproduce, "make_zoo", lambda recipes, workshop: iter(()))
    monkeypatch.setattr(reproduce, "reproduce_folder", lambda *_: iter([row]))
    run = triggerfish("reproduce", "clean", "--limit", 1, "--out", tmp_path)
    assert run.code == 3
    assert run.out.splitlines()[1].split()[:3] == ["clean", "0", "1"]


def test_an_unknown_folder_is_a_usage_error(triggerfish: Cli) -> None:
    run = triggerfish("reproduce", "--folders", "cleen")
    assert run.code == 2
    assert "'cleen' is not one of" in run.err
