import json
import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import click
import pytest

from triggerfish.cli.detector_options import make_detector, scan_config, settings_options
from triggerfish.cli.scan import scan_command
from triggerfish.detectors import DETECTORS, Ensemble, L1Weight, MinNorm
from triggerfish.detectors.base import setting

MIN_NORM = ("--detector", "min-norm")
Cli = Callable[..., SimpleNamespace]
OPTIONS = {option.name: option for option in scan_command.params}


@pytest.mark.parametrize("name", DETECTORS)
def test_every_setting_is_an_option_that_shows_its_default(name: str) -> None:
    for field in fields(DETECTORS[name]):
        option = OPTIONS[field.name]
        assert isinstance(option, click.Option)
        assert field.metadata["help"].lower() in option.help.lower()


def test_settings_stand_under_their_detector(triggerfish: Cli) -> None:
    text = triggerfish("scan", "--help-all").out
    headings = [line for line in text.splitlines() if line.startswith("Settings of")]
    assert headings[0] == "Settings of several detectors:"
    assert "Settings of min-norm:" in headings
    assert text.index("--jitter") > text.index("Settings of min-norm:")
    assert text.index("--steps") < text.index("Settings of min-norm:")


def test_a_new_detector_brings_its_options(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True)
    class Mine(MinNorm):
        name: ClassVar[str] = "mine"
        fuss: int = setting(3, "How much fuss is made", "fusses")

    monkeypatch.setitem(DETECTORS, "mine", Mine)

    @click.command()
    @settings_options
    def command(**_: object) -> None: ...

    (option,) = (o for o in command.params if o.name == "fuss")
    assert isinstance(option, click.Option)
    assert option.help == "How much fuss is made, in fusses.  [default: 3]"
    assert make_detector("mine", {"fuss": 5, "steps": 4}) == Mine(fuss=5, steps=4)


def test_values_reach_the_detector_in_its_own_types(triggerfish: Cli, models: Path) -> None:
    run = triggerfish(
        "scan", models / "clean.pt", *MIN_NORM, "--steps", 2, "--rounds", 1,
        "--baselines", "0, 0.5",
        "--restarts", 1, "--target-prob", 0.9, "--format", "json",
    )  # fmt: skip
    (result,) = json.loads(run.out)["results"]
    assert result["config"]["detector"] == "min-norm"
    settings = result["config"]["settings"]
    assert settings["baselines"] == [0.0, 0.5]
    assert (settings["steps"], settings["rounds"], settings["restarts"]) == (2, 1, 1)
    assert settings["target_log_odds"] == pytest.approx(math.log(9))
    assert set(result["config"]) == {
        "detector", "settings", "judge", "seed", "confirm", "confirmation", "untargeted",
    }  # fmt: skip


def test_one_confidence_in_two_units() -> None:
    assert make_detector("l1-weight", {"target_prob": 0.9}) == L1Weight(target_prob=0.9)
    with pytest.raises(click.UsageError, match="exclude each other"):
        make_detector("min-norm", {"target_prob": 0.9, "target_log_odds": 2.0})


def test_an_image_may_be_a_baseline(triggerfish: Cli, models: Path) -> None:
    run = triggerfish("scan", models / "clean.pt", *MIN_NORM, "--baselines", "0.5,nowhere.png")
    assert (run.code, run.out) == (2, "")
    assert "no file at nowhere.png" in run.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--reference", "nowhere.json"), "expected a reference file at nowhere.json"),
        (("--memory-mib", 0), "expected a memory budget > 0 MiB, got 0.0"),
        (("--detector", "mm-bd", "--memory-mib", "nan"), "expected a memory budget > 0 MiB"),
        (("--detector", "mm-bd", "--lr", "nan"), "expected starts, steps >= 1 and lr > 0"),
        ((*MIN_NORM, "--target-log-odds", "nan"), "expected finite target_log_odds"),
        (("--threshold", "nan"), "expected a finite threshold"),
        (
            ("--clouds", "0.5,x", "--detector", "pairwise-norm"),
            "is no number: put commas between numbers",
        ),
    ],
)
def test_mistakes_are_found_before_the_first_search(
    options: tuple[object, ...],
    message: str,
    triggerfish: Cli,
    models: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("triggerfish.runs.files.run", None)
    run = triggerfish("scan", models, *options)
    assert (run.code, run.out) == (2, "")
    assert message in run.err


def test_switches_are_off_unless_they_are_given() -> None:
    assert scan_config(None, None, 0, {"fast": None}).detector == Ensemble()
    given = scan_config(None, None, 0, {"fast": True, "restarts": 3, "pictures": 50}).detector
    assert given == Ensemble(fast=True, restarts=3, pictures=50)
    with pytest.raises(click.UsageError, match="expected fast or thorough, got both"):
        scan_config(None, None, 0, {"fast": True, "thorough": True})


def test_a_setting_of_another_detector_names_it() -> None:
    with pytest.raises(click.UsageError, match="or take --detector min-norm"):
        make_detector("ensemble", {"jitter": 0.2})


def test_a_threshold_is_passed_on_even_when_it_is_zero() -> None:
    assert scan_config(None, None, 0, {"threshold": 0.0}).judge.threshold == 0.0
    config = scan_config(None, "published", 0, {"threshold": 0.0})
    assert config.judge.threshold == 0.0
