import json
from pathlib import Path

import pytest
from runs.stub import Stub, content, make_models

from triggerfish.errors import OutputError
from triggerfish.results import Scanned, Skipped
from triggerfish.runs.folder import RESULTS, RunFolder
from triggerfish.runs.model import Model
from triggerfish.runs.run import Row, here, run


def rows(models: list[Model], out: Path | None, **options: bool) -> list[Row]:
    """A whole run in this process."""
    folder = None if out is None else RunFolder(out)
    try:
        return list(run(models, Stub(kept=out is not None), here, folder, **options))
    finally:
        if folder is not None:
            folder.close()


def taken_over(found: list[Row]) -> list[bool]:
    return [row.taken_over for row in found]


def test_the_second_time_everything_is_taken_over(tmp_path: Path) -> None:
    models = make_models(tmp_path / "in", 4)
    first, second = (rows(models, tmp_path / "out") for _ in range(2))
    assert (taken_over(first), taken_over(second)) == ([False] * 4, [True] * 4)
    assert [row.path for row in first] == [row.path for row in second]
    assert [row.result.verdict.name for row in first] == ["backdoored", "clean", "clean", "clean"]
    assert [r.result.verdict for r in first] == [r.result.verdict for r in second]
    assert len(content(tmp_path / "out")[0]) == 4


def test_a_run_without_a_folder_gives_the_same_rows(tmp_path: Path) -> None:
    models = make_models(tmp_path / "in", 4)
    kept, not_kept = rows(models, tmp_path / "out"), rows(models, None)
    assert [(r.path, r.result.verdict.name) for r in kept] == [
        (r.path, r.result.verdict.name) for r in not_kept
    ]


def test_only_what_is_missing_or_changed_is_scanned(tmp_path: Path) -> None:
    models = make_models(tmp_path / "in", 3)
    rows(models, tmp_path / "out")
    models[1].path.write_text("another network")
    (tmp_path / "in" / "new.pt").write_text("new")
    again = rows(make_models_again(tmp_path / "in"), tmp_path / "out")
    assert taken_over(again) == [True, False, True, False]
    lines, files = content(tmp_path / "out")
    assert len(lines) == 5
    assert sum("result.json" in name for name in files) == 4, "the changed file keeps its folder"


def make_models_again(folder: Path) -> list[Model]:
    from runs.stub import CONFIG

    from triggerfish.runs.model import Source, find_models

    return find_models([Source(path) for path in sorted(folder.iterdir())], CONFIG)


@pytest.mark.parametrize(("name", "again"), [("unreadable", True), ("failed", False)])
def test_what_failed_is_recorded_and_tried_again(name: str, again: bool, tmp_path: Path) -> None:
    models = make_models(tmp_path / "in", 1, name)
    for expected in (False, again):
        (row,) = rows(models, tmp_path / "out")
        assert row.taken_over is expected
        assert isinstance(row.result, Skipped)
        assert row.result.reason.startswith("expected")
    (line, *_), _ = content(tmp_path / "out")
    assert json.loads(line)["reasons"][0]["code"] == name


def test_rescan_means_all(tmp_path: Path) -> None:
    models = make_models(tmp_path / "in", 3)
    rows(models, tmp_path / "out")
    before = content(tmp_path / "out")
    assert taken_over(rows(models, tmp_path / "out", rescan=True)) == [False] * 3
    after = content(tmp_path / "out")
    assert after[1] == before[1]
    assert sorted(set(after[0])) == before[0]


def test_one_content_is_one_model_with_all_its_names(tmp_path: Path) -> None:
    make_models(tmp_path / "in", 1)
    (original,) = (tmp_path / "in").iterdir()
    (tmp_path / "in" / "a.pt").write_bytes(original.read_bytes())
    (tmp_path / "in" / "link.pt").symlink_to(original)
    (model,) = make_models_again(tmp_path / "in")
    found = rows([model], tmp_path / "out")
    names = ["a.pt", "link.pt", original.name]
    assert [row.path.name for row in found] == names
    assert [row.result.path for row in found] == [row.path for row in found]
    (line,), _ = content(tmp_path / "out")
    assert [Path(path).name for path in json.loads(line)["paths"]] == names
    (tmp_path / "in" / "b.pt").write_bytes(original.read_bytes())
    assert taken_over(rows(make_models_again(tmp_path / "in"), tmp_path / "out")) == [True] * 4
    latest = json.loads((tmp_path / "out" / RESULTS).read_text().splitlines()[-1])
    assert {Path(path).name for path in latest["paths"]} == {*names, "b.pt"}


def test_models_of_one_name_have_folders_of_their_own(tmp_path: Path) -> None:
    sources = []
    for number in range(3):
        sources += make_models(tmp_path / str(number), 1, f"x{number}")
    paths = []
    for number, model in enumerate(sources):
        path = tmp_path / "in" / str(number) / "model.pt"
        path.parent.mkdir(parents=True)
        model.path.rename(path)
        paths.append(path)
    from runs.stub import CONFIG

    from triggerfish.runs.model import Source, find_models

    models = find_models([Source(path) for path in paths], CONFIG)
    assert [model.folder for model in models] == ["model", "model-2", "model-3"]
    rows(list(reversed(models)), tmp_path / "out")
    owners = {
        json.loads(line)["folder"]: json.loads(line)["path"]
        for line in content(tmp_path / "out")[0]
    }
    assert owners == {model.folder: str(model.path) for model in models}


def test_another_configuration_is_another_result(tmp_path: Path) -> None:
    from triggerfish.runs.model import Source, find_models
    from triggerfish.scanning import ScanConfig

    make_models(tmp_path / "in", 1)
    sources = [Source(path) for path in (tmp_path / "in").iterdir()]
    (one,), (other,) = (find_models(sources, ScanConfig(seed=seed)) for seed in (0, 1))
    assert one.sha256 == other.sha256
    assert one.key != other.key
    rows([one], tmp_path / "out")
    assert taken_over(rows([other], tmp_path / "out")) == [False]


def test_a_torn_line_is_cut_off_and_a_damaged_one_passed_over(tmp_path: Path) -> None:
    models = make_models(tmp_path / "in", 3)
    rows(models, tmp_path / "out")
    before = content(tmp_path / "out")
    file = tmp_path / "out" / RESULTS
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(lines[0] + b"\x00\xff damaged\n" + lines[1] + lines[2][:40])
    again = rows(models, tmp_path / "out")
    assert taken_over(again) == [True, True, False]
    text = file.read_bytes().splitlines()
    assert sorted(t.decode() for t in text if b"damaged" not in t) == before[0]


def test_results_in_memory_are_let_go(tmp_path: Path) -> None:
    """A thousand rows, none of which is kept by the run."""
    import gc
    import weakref

    models = make_models(tmp_path / "in", 30)
    seen = []
    for row in run(models, Stub(kept=False), here, None):
        assert isinstance(row.result, Scanned)
        seen.append(weakref.ref(row.result.scores))
        del row
    gc.collect()
    assert sum(reference() is not None for reference in seen) <= 1


def test_a_folder_that_turns_read_only_is_one_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = make_models(tmp_path / "in", 3)
    rows(models[:1], tmp_path / "out")
    before = content(tmp_path / "out")

    def refuse(self: Path, *_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    folder = RunFolder(tmp_path / "out")
    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(OutputError, match="'Read-only file system': choose another --out"):
        list(run(models, Stub(), here, folder))
    folder.close()
    assert content(tmp_path / "out") == before


@pytest.mark.parametrize("name", ["results.jsonl", "report.html"])
def test_a_folder_with_files_of_something_else_is_left_alone(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text('{"a": 1}\n')
    with pytest.raises(OutputError, match=f"{name}.* of something else: choose another --out"):
        RunFolder(tmp_path)
    assert (tmp_path / name).read_text() == '{"a": 1}\n'
