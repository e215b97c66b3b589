"""The library gives what the command gives, on a file with several readings among others."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import made_up
import pytest
import torch
from PIL import Image

import triggerfish as tf
from triggerfish.architectures import ARCHITECTURES
from triggerfish.files import sha256_of
from triggerfish.loading import open_readings
from triggerfish.reports.json_report import as_dict
from triggerfish.results import Trial
from triggerfish.runs import paths as paths_module
from triggerfish.runs.paths import scan_path

Cli = Callable[..., SimpleNamespace]
QUICK = tf.MinNorm(steps=4)
NETWORK = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
OPTIONS = ("--detector", "min-norm", "--steps", 4, "--jobs", 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A file with several readings, and one that is no model."""
    target = tmp_path / "in"
    target.mkdir()
    torch.manual_seed(0)
    network = ARCHITECTURES["pytorch_tutorial_cnn"](10, 3)
    weights = network.state_dict()
    weights["fc3.weight"] *= 40
    weights["fc3.weight"][3] *= 4
    torch.save(weights, target / "planted.pt")
    (target / "torn.pt").write_text("not a model")
    return target


def measured(result: tf.Scanned | tf.Skipped | dict[str, Any]) -> dict[str, Any]:
    """Plain data without what differs from scan to scan."""
    data = result if isinstance(result, dict) else as_dict(result)
    data = json.loads(json.dumps(data))
    return {k: v for k, v in data.items() if k not in ("seconds", "command", "schema_version")}


def test_the_command_and_the_library_say_the_same(folder: Path, triggerfish: Cli) -> None:
    file = folder / "planted.pt"
    assert len(open_readings(file)) > 1, "else this says nothing"
    run = triggerfish("scan", *OPTIONS, folder, "--format", "json")
    planted, torn = json.loads(run.out)["results"]
    config = tf.ScanConfig(QUICK)
    found, skipped = tf.scan_files(folder, config)
    assert isinstance(skipped, tf.Skipped)
    assert measured(found) == measured(planted)
    assert measured(skipped) == measured(torn)
    assert measured(tf.scan(file, QUICK)) == measured(planted)
    assert {reason["code"] for reason in planted["reasons"]} == {"preprocessing-matters"}


def test_a_run_folder_is_the_one_of_the_command(
    folder: Path, triggerfish: Cli, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    config = replace(tf.ScanConfig(QUICK), confirm=True)
    first = list(tf.scan_files([folder], config, out=out, class_names=["a"] * 10))
    assert (out / "report.html").is_file()
    run = triggerfish("scan", *OPTIONS, folder, "--out", out)
    assert run.err.startswith(f"2 of 2 already scanned ({out})\n")
    assert isinstance(first[0], tf.Scanned)
    assert first[0].class_names == ("a",) * 10
    again = list(tf.scan_files([folder], config, out=out))
    assert [type(r) for r in again] == [tf.Scanned, tf.Skipped]


def test_shards_are_disjoint_and_patterns_hold(folder: Path) -> None:
    both = [r.path for i in (1, 2) for r in tf.scan_files(folder, QUICK, shard=f"{i}/2")]
    assert sorted(both, key=str) == [folder / "planted.pt", folder / "torn.pt"]
    (only,) = tf.scan_files(folder, QUICK, include=["torn*"])
    assert only.path == folder / "torn.pt"


def test_an_accepted_file(folder: Path) -> None:
    digest = sha256_of(folder / "planted.pt")
    accept = folder.parent / "accept.toml"
    accept.write_text(f'[[accept]]\nsha256 = "{digest}"\nreason = "ours"\nuntil = 2999-01-01\n')
    found, _ = tf.scan_files(folder, QUICK, accept=accept)
    assert found.accepted is not None
    assert found.accepted.reason == "ours"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda f: tf.scan_files(f / "nothing here"), tf.CheckpointError, None),
        (lambda f: tf.scan_files(f, rescan=True), ValueError, "expected out with rescan"),
        (lambda f: tf.scan_files(f, shard="3/2"), ValueError, "a shard like 1/4"),
        (lambda f: tf.scan_files(f, include=["*.onnx"]), tf.CheckpointError, "none of 2 model"),
        (lambda f: tf.scan_files(f, images=f), tf.DatasetError, "no images"),
        (lambda f: tf.scan_files(f, tf.MinNorm), ValueError, "expected a detector"),
        (lambda f: tf.scan(f / "torn.pt"), tf.CheckpointError, "torn.pt"),
        (lambda f: tf.scan(f / "planted.pt", tf.ScanConfig(), seed=1), ValueError, "ScanConfig"),
        (lambda f: tf.scan(lambda x: x, options=tf.LoadOptions()), ValueError, "drop them"),
        (lambda f: tf.scan(f / "planted.pt", input_shape=(28, 28)), ValueError, r"\(C, H, W\)"),
        (lambda f: tf.scan(f / "planted.pt", input_shape=28), ValueError, r"\(C, H, W\).* got 28"),
        (lambda f: tf.scan(NETWORK, input_shape=28), ValueError, r"\(C, H, W\), .* got 28"),
        (lambda f: tf.scan(NETWORK, input_shape=(1, 8, 8.5)), ValueError, r"got \(1, 8, 8.5\)"),
        (
            lambda f: tf.scan(NETWORK, input_shape=(1, 8, 8), preprocessing=0.5),
            ValueError,
            r"expected a Preprocessing, got 0.5: write preprocessing=tf.Preprocessing\(",
        ),
        (lambda f: tf.scan(f / "planted.pt", preprocessing=0.5), ValueError, "a Preprocessing"),
        (
            lambda f: tf.scan(torch.nn.Flatten),
            ValueError,
            r"got the class Flatten: pass Flatten\(\) with its weights",
        ),
        (
            lambda f: tf.scan(NETWORK.state_dict()),
            ValueError,
            "its weights: load them with load_st",
        ),
        (lambda f: tf.scan([f / "planted.pt"]), ValueError, "scan_files takes several paths"),
        (lambda f: tf.scan(None), ValueError, "expected a network or a path, got NoneType"),
    ],
)
def test_mistakes_end_at_the_call(
    call: Callable[[Path], object], error: type[Exception], message: str | None, folder: Path
) -> None:
    if message is None:  # a folder without models; a path that is not there is a skipped result
        (folder / "nothing here").mkdir()
        message = "nothing here: no model files"
    with pytest.raises(error, match=message):
        call(folder)


def test_pictures_are_tried_on_the_reading_that_gave_the_verdict(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not on the first one, which may have another shape or preprocessing."""
    readings = open_readings(folder / "planted.pt")
    says = readings[-1].classifier
    assert says.assumptions != readings[0].classifier.assumptions
    base = made_up.found()
    result = replace(base, assumptions=says.assumptions, facts=says.facts, trials=())
    monkeypatch.setattr(paths_module, "scan_opened", lambda *_: result)
    tried: list[tf.Classifier] = []

    def trials(found: tf.Scanned, classifier: tf.Classifier, images: Path) -> tf.Scanned:
        tried.append(classifier)
        one = Trial(7, "pixel", 0, math.nan, torch.empty(0, 1, 2, 2), (), ())
        return replace(found, trials=(one,))

    monkeypatch.setattr(paths_module, "with_trials", trials)
    path = folder / "planted.pt"
    done = scan_path(path, tf.ScanConfig(QUICK), lambda _: readings, tmp_path)
    assert isinstance(done, tf.Scanned)
    assert len(done.trials) == 1
    assert tried == [says]


def test_a_verdict_outlives_pictures_that_do_not_work(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings = open_readings(folder / "planted.pt")
    first = readings[0].classifier
    result = replace(made_up.found(), assumptions=first.assumptions, facts=first.facts, trials=())
    monkeypatch.setattr(paths_module, "scan_opened", lambda *_: result)
    Image.new("L", (28, 28)).save(tmp_path / "a.png")  # the change is one of 3x16x16
    done = scan_path(folder / "planted.pt", tf.ScanConfig(QUICK), lambda _: readings, tmp_path)
    assert isinstance(done, tf.Scanned)
    assert done.verdict.flagged == (7,)
    assert done.verdict.notes[-1].startswith("on your own images: nothing was tried: ")
