"""Ten thousand files: found, told apart, and gone through in flat memory."""

import resource
from pathlib import Path

import pytest
from runs.stub import CONFIG, Stub

from triggerfish.loading import find_checkpoints
from triggerfish.runs.folder import RunFolder
from triggerfish.runs.model import Model, Source, find_models
from triggerfish.runs.run import here, run

COUNT = 10_000


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Model]:
    """9,000 contents under 10,000 names, in folders of a hundred, among files that are none."""
    folder = tmp_path_factory.mktemp("hub")
    for number in range(COUNT):
        place = folder / f"{number // 100:03}"
        place.mkdir(exist_ok=True)
        (place / f"{number:05}.pt").write_text(f"network {number % 9000}")
        if number % 10 == 0:
            (place / f"{number:05}.txt").write_text("notes")
    (folder / "loop").symlink_to(folder)
    (folder / "000" / "gone.pt").symlink_to(folder / "nothing")
    found = find_checkpoints([folder])
    assert len(found) == COUNT + 1
    return find_models([Source(path) for path in found], CONFIG)


def test_each_content_once_with_all_its_names(models: list[Model]) -> None:
    assert len(models) == 9001
    names = [path for model in models for path in model.paths]
    assert len(names) == len(set(names)) == COUNT + 1
    assert sum(len(model.paths) == 2 for model in models) == 1000
    assert [model.sha256 for model in models].count(None) == 1, "the link that leads nowhere"


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def test_memory_stays_flat_without_a_folder(models: list[Model]) -> None:
    rows = run(models[:2000], Stub(kept=False), here, None)
    for _ in range(500):
        next(rows)
    before = peak_mib()
    assert sum(1 for _ in rows) > 1000
    assert peak_mib() - before < 30


@pytest.mark.slow
def test_memory_stays_flat_with_one(models: list[Model], tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "out")
    rows = run(models, Stub(size=1), here, folder)
    for _ in range(2000):
        next(rows)
    before = peak_mib()
    assert sum(1 for _ in rows) == COUNT + 1 - 2000
    assert peak_mib() - before < 30
    folder.close()
