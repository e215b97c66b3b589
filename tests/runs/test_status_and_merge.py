from pathlib import Path

import pytest
from click.testing import CliRunner
from runs.stub import Stub, content, make_models

from triggerfish.cli.group import app
from triggerfish.errors import OutputError, ResultError
from triggerfish.runs.folder import RESULTS, RunFolder
from triggerfish.runs.merge import merge
from triggerfish.runs.model import Model
from triggerfish.runs.run import here, run
from triggerfish.runs.selection import Shard
from triggerfish.runs.status import read_status, write_end, write_plan


def scan(models: list[Model], out: Path, shard: Shard | None = None) -> None:
    folder = RunFolder(out)
    write_plan(folder, len(models), shard)
    for _ in run(models, Stub(), here, folder):
        pass
    folder.close()


def test_status_counts_what_there_is(tmp_path: Path) -> None:
    models = make_models(tmp_path / "in", 10)
    models += make_models(tmp_path / "bad", 2, "unreadable") + make_models(
        tmp_path / "no", 1, "failed"
    )
    folder = RunFolder(tmp_path / "out")
    write_plan(folder, len(models), None)
    assert read_status(tmp_path / "out").done == 0
    rows = run(models, Stub(), here, folder)
    for _ in range(5):
        next(rows)
    status = read_status(tmp_path / "out")
    assert (status.models, status.done, status.flagged, status.clean) == (13, 5, 1, 4)
    assert status.rate is not None
    assert status.seconds_left == pytest.approx(8 / status.rate)
    list(rows)
    folder.close()
    status = read_status(tmp_path / "out")
    assert (status.done, status.flagged, status.clean, status.skipped, status.failed) == (
        13,
        2,
        8,
        2,
        1,
    )
    assert status.seconds_left == 0


def test_an_interrupted_run_has_no_time_left(tmp_path: Path) -> None:
    models = make_models(tmp_path / "in", 4)
    folder = RunFolder(tmp_path / "out")
    write_plan(folder, len(models), None)
    rows = run(models, Stub(), here, folder)
    next(rows)
    assert read_status(tmp_path / "out").seconds_left is not None
    rows.close()
    write_end(folder, None)
    folder.close()
    status = read_status(tmp_path / "out")
    assert (status.done, status.models, status.seconds_left) == (1, 4, None)
    run_again = CliRunner().invoke(app, ["status", str(tmp_path / "out")])
    assert run_again.stdout.endswith("interrupted, 3 left: the same scan command again goes on\n")


def test_status_of_something_else_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match="expected a run folder at"):
        read_status(tmp_path)


def test_shards_merge_into_what_one_run_gives(tmp_path: Path) -> None:
    models = make_models(tmp_path / "in", 30)
    scan(models, tmp_path / "whole")
    for shard in (Shard(1, 2), Shard(2, 2)):
        share = [model for model in models if model in shard]
        scan(share, tmp_path / f"shard-{shard.index}", shard)
    runs = [tmp_path / "shard-1", tmp_path / "shard-2"]
    merged = merge(tmp_path / "merged", runs)
    assert (merged.added, merged.present) == (30, 0)
    assert content(tmp_path / "merged") == content(tmp_path / "whole")
    assert merge(tmp_path / "merged", runs).present == 30
    assert content(tmp_path / "merged") == content(tmp_path / "whole")


def test_a_share_without_models_merges_as_well(tmp_path: Path) -> None:
    models = make_models(tmp_path / "in", 1)
    for index in (1, 2):
        shard = Shard(index, 2)
        scan([m for m in models if m in shard], tmp_path / f"shard-{index}", shard)
    merged = merge(tmp_path / "merged", [tmp_path / "shard-1", tmp_path / "shard-2"])
    assert (merged.added, merged.present) == (1, 0)


def test_shards_in_one_folder_are_one_run(tmp_path: Path) -> None:
    models = make_models(tmp_path / "in", 20)
    for shard in (Shard(1, 2), Shard(2, 2)):
        scan([model for model in models if model in shard], tmp_path / "out", shard)
    status = read_status(tmp_path / "out")
    assert (status.models, status.done) == (20, 20)


def test_merging_what_is_no_run_or_into_itself_is_refused(tmp_path: Path) -> None:
    scan(make_models(tmp_path / "in", 1), tmp_path / "run")
    with pytest.raises(ResultError, match=f"got one without {RESULTS}"):
        merge(tmp_path / "out", [tmp_path / "in"])
    with pytest.raises(OutputError, match="expected another folder"):
        merge(tmp_path / "run", [tmp_path / "run"])
