from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from triggerfish.cli import demo
from triggerfish.detectors.l1_weight import L1Weight
from triggerfish.detectors.min_norm import MinNorm
from triggerfish.scanning import ScanConfig, published


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, models: Path) -> None:
    """Planted models instead of trained ones, and short searches."""
    paths = [models / "clean.pt", models / "planted.pt"]
    monkeypatch.setattr(demo, "_train", lambda folder: paths)
    monkeypatch.setattr(demo, "JOBS", 1)
    monkeypatch.setattr(demo, "ScanConfig", lambda: ScanConfig(MinNorm(steps=4)))
    monkeypatch.setattr(
        demo, "published", lambda: published(L1Weight(steps=4, halvings=2, max_l1_weight=4))
    )


@pytest.mark.usefixtures("quick")
def test_it_ends_well_when_the_target_is_named(
    triggerfish: Callable[..., SimpleNamespace], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "TARGET", 3)
    run = triggerfish("demo", "--out", tmp_path)
    assert (run.code, run.err) == (0, "")
    places = [line.rpartition(": ")[2] for line in run.out.splitlines() if "images, plot" in line]
    assert len(places) == 4
    assert all((Path(place) / "result.json").is_file() for place in places)
    assert (tmp_path / "l1-weight" / "planted" / "l1_outlier_plot_mad.png").is_file()


@pytest.mark.usefixtures("quick")
def test_it_fails_when_another_class_is_named(
    triggerfish: Callable[..., SimpleNamespace], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "TARGET", 5)
    run = triggerfish("demo", "--out", tmp_path)
    assert run.code == 2
    assert run.err.startswith("error: expected nothing flagged in the clean model and class 5")
