import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from click.testing import CliRunner, Result

from triggerfish.architectures.paper_cnn import PaperCNN
from triggerfish.cli.group import app

Cli = Callable[..., SimpleNamespace]
QUICK = ("--detector", "min-norm", "--steps", 2, "--jobs", 1)


@pytest.fixture(scope="module")
def clean_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten random networks."""
    folder = tmp_path_factory.mktemp("clean-models")
    for seed in range(10):
        torch.manual_seed(seed)
        network = PaperCNN()
        with torch.no_grad():
            network.fc2.weight *= 40
        torch.save(network.state_dict(), folder / f"model_{seed}.pt")
    return folder


@pytest.fixture(scope="module")
def calibrated(clean_models: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """The reference that they make, in a folder that was not there, and how that went."""
    out = tmp_path_factory.mktemp("calibrated") / "new" / "reference.json"
    words = ("calibrate", clean_models, "-o", out, "--name", "random", *QUICK)
    return out, CliRunner().invoke(app, [str(word) for word in words])


def test_calibration_says_what_it_is_worth(calibrated: tuple[Path, Result]) -> None:
    out, made = calibrated
    assert made.exit_code == 0
    assert all(line.startswith("scanning: ") for line in made.stderr.splitlines())
    assert made.stdout.startswith(f"{out}: 10 clean models, threshold ")
    assert made.stdout.endswith("smallest p-value 0.091\n")


def test_a_scan_uses_the_reference_it_is_given(
    triggerfish: Cli, calibrated: tuple[Path, Result], models: Path
) -> None:
    out, _ = calibrated
    # Ten models allow no claim at the default rate of 0.001, which their tail is too wide for.
    scanned = triggerfish(
        "scan", models / "planted.pt", "--reference", out, "--false-positive-rate", 0.09, *QUICK,
        "--format", "json",
    )  # fmt: skip
    (result,) = json.loads(scanned.out)["results"]
    assert (result["reference"], result["flagged"]) == ("random", [3])
    assert result["p_value"] == result["smallest_p_value"] == pytest.approx(1 / 11)


def test_other_settings_than_the_references_are_refused(
    triggerfish: Cli, calibrated: tuple[Path, Result], models: Path
) -> None:
    out, _ = calibrated
    scanned = triggerfish("scan", models / "clean.pt", "--reference", out, *QUICK, "--steps", 3)
    assert (scanned.code, scanned.out) == (2, "")
    assert "expected a reference made with min-norm and the same settings" in scanned.err
    assert "made with another steps" in scanned.err


def test_a_model_of_another_kind_is_inconclusive_and_says_so(
    triggerfish: Cli, calibrated: tuple[Path, Result], tmp_path: Path
) -> None:
    (out, _), other = calibrated, tmp_path / "other.pt"
    torch.save(PaperCNN(num_classes=7).state_dict(), other)
    scanned = triggerfish("scan", other, "--reference", out, *QUICK)
    assert scanned.code == 3
    assert "[reference-mismatch]" in scanned.out


def test_models_of_many_kinds_make_a_collection(
    triggerfish: Cli, clean_models: Path, models: Path, tmp_path: Path
) -> None:
    out = tmp_path / "strangers.json"
    made = triggerfish("calibrate", clean_models, "-o", out, "--kind", "any-network", *QUICK)
    assert made.out.startswith(f"{out}: 10 clean networks, highest score ")
    scanned = triggerfish(
        "scan", models / "clean.pt", "--reference", out, *QUICK, "--format", "json"
    )
    (result,) = json.loads(scanned.out)["results"]
    assert result["p_value"] is None
    assert "of 10 clean networks of other people" in result["notes"][0]


def test_too_few_models_are_refused(triggerfish: Cli, models: Path, tmp_path: Path) -> None:
    run = triggerfish("calibrate", models, "-o", tmp_path / "r.json", *QUICK)
    assert (run.code, run.out) == (2, "")
    assert "expected at least 10 clean models, got 2" in run.err
    assert not (tmp_path / "r.json").exists()


def test_a_model_that_cannot_be_scanned_is_refused(triggerfish: Cli, tmp_path: Path) -> None:
    (tmp_path / "broken.pt").write_text("not a model")
    run = triggerfish("calibrate", tmp_path, "-o", tmp_path / "r.json", *QUICK)
    assert run.code == 2
    assert run.err.startswith("error: expected clean models that can be scanned, got")


def test_models_of_another_kind_are_refused(triggerfish: Cli, models: Path, tmp_path: Path) -> None:
    (tmp_path / "a.pt").write_bytes((models / "clean.pt").read_bytes())
    torch.save(PaperCNN(num_classes=7).state_dict(), tmp_path / "b.pt")
    run = triggerfish("calibrate", tmp_path, "-o", tmp_path / "r.json", *QUICK)
    assert run.code == 2
    assert "expected models of one network and task" in run.err
