from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from triggerfish import reproduce
from triggerfish.architectures.paper_cnn import PaperCNN
from triggerfish.detectors.l1_weight import L1Weight
from triggerfish.files import sha256_of
from triggerfish.reports.master_summary import MasterRow
from triggerfish.reproduce import (
    judged,
    published_recipes,
    reproduce_folder,
    score,
    write_summary,
)
from triggerfish.results import Scanned, Skipped
from triggerfish.scanning import ScanConfig, published
from triggerfish.zoo.manifest import Entry, write_manifest

QUICK = published(L1Weight(steps=2, halvings=1, max_l1_weight=2))


@pytest.fixture
def zoo(tmp_path: Path) -> Path:
    """Two random models under the first published names of the backdoor folder."""
    folder = tmp_path / "zoo"
    folder.mkdir()
    entries = []
    for file, recipe in published_recipes("backdoor", 2).items():
        torch.manual_seed(recipe.seed)
        torch.save(PaperCNN().state_dict(), folder / file)
        assert recipe.attack is not None
        entries.append(
            Entry(
                file=file,
                sha256=sha256_of(folder / file),
                seed=recipe.seed,
                recipe=recipe.settings(),
                targets=recipe.attack.targets,
                clean_accuracy=0.1,
                attack_success_rate=0.1,
                valid=False,
                seconds=0.0,
            )
        )
    write_manifest(folder, entries)
    return folder


def run(zoo: Path, out: Path, config: ScanConfig = QUICK) -> list[MasterRow]:
    return list(reproduce_folder("backdoor", published_recipes("backdoor", 2), zoo, out, config))


@pytest.mark.parametrize(
    ("expected", "detected", "status"),
    [
        (None, (), "correct"),
        (None, (3,), "incorrect"),
        (3, (3,), "correct"),
        (3, (), "incorrect"),
        (3, (4,), "incorrect"),
        (3, (3, 4), "incorrect"),
    ],
)
def test_the_published_criterion(
    expected: int | None, detected: tuple[int, ...], status: str
) -> None:
    assert judged("folder", "model", expected, detected).status == status


@pytest.mark.parametrize("folder", ["backdoor", "clean", "dynamic"])
def test_a_limit_takes_a_part_of_the_hundred_published_models(folder: str) -> None:
    every, some = published_recipes(folder), published_recipes(folder, 7)
    assert len(every) == 100
    assert len(some) == 7
    assert all(every[file] == recipe for file, recipe in some.items())


@pytest.mark.parametrize(("folder", "limit"), [("cleen", 1), ("clean", 0)])
def test_wrong_arguments(folder: str, limit: int) -> None:
    with pytest.raises(ValueError, match=r"^expected a "):
        published_recipes(folder, limit)


def test_every_model_gets_its_files_and_its_expected_label(zoo: Path, tmp_path: Path) -> None:
    rows = run(zoo, tmp_path)
    assert [(row.model, row.expected) for row in rows] == [
        ("mnist_trigger_t0_0", 0),
        ("mnist_trigger_t1_0", 1),
    ]
    for row in rows:
        assert (tmp_path / "backdoor" / row.model / "l1_search_summary.csv").is_file()


def test_a_second_run_scans_only_what_changed(
    zoo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(zoo, tmp_path)
    scanned: list[Path] = []

    def recording(paths: list[Path], config: ScanConfig, jobs: int) -> Iterator[Scanned | Skipped]:
        scanned.extend(paths)
        return real(paths, config, jobs=jobs)

    real = reproduce.scan_files
    monkeypatch.setattr(reproduce, "scan_files", recording)
    assert run(zoo, tmp_path) == first
    assert scanned == []
    retrained = zoo / "mnist_trigger_t1_0.pt"
    torch.save(PaperCNN().state_dict(), retrained)
    run(zoo, tmp_path)
    assert scanned == [retrained]
    run(zoo, tmp_path, replace(QUICK, judge=replace(QUICK.judge, threshold=2.5)))
    assert len(scanned) == 3


def test_a_damaged_model_is_skipped_and_not_correct(zoo: Path, tmp_path: Path) -> None:
    (zoo / "mnist_trigger_t1_0.pt").write_bytes(b"damaged")
    rows = run(zoo, tmp_path)
    assert rows[1].status == "skipped"
    assert score("backdoor", [rows[1]]).correct == 0


def test_score_and_summary(tmp_path: Path) -> None:
    rows = [judged("clean", f"m{i}", None, (1,) if i == 0 else ()) for i in range(30)]
    found = score("clean", rows)
    assert (found.correct, found.total) == (29, 30)
    # Clopper-Pearson for 29 of 30, from tables.
    assert (found.low, found.high) == pytest.approx((0.8278, 0.9992), abs=1e-4)
    write_summary(rows, tmp_path)
    assert len((tmp_path / "master_summary.csv").read_text().splitlines()) == 31
