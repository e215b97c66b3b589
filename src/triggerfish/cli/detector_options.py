"""The options that choose a detector and its settings, shared by the commands that scan."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from triggerfish.detectors import DETECTORS
from triggerfish.detectors.l1_weight import L1WeightConfig
from triggerfish.scanning import ScanConfig, published
from triggerfish.search.activation_maximization import OBJECTIVES
from triggerfish.statistics.outliers import OUTLIER_TESTS
from triggerfish.verdict.judge import Judge

Command = TypeVar("Command", bound=Callable[..., Any])

PUBLISHED = "published"

_SETTINGS = (
    click.option("--objective", type=click.Choice(list(OBJECTIVES)), help="What is maximized."),
    click.option("--target-prob", type=float, help="Probability a class must reach."),
    click.option("--steps", type=int, help="Optimisation steps a search."),
    click.option("--restarts", type=int, help="Runs of each search, all but one from noise."),
    click.option("--lr", type=float, help="Learning rate of Adam, in units of the [0, 1] box."),
    click.option("--max-l1-weight", type=float, help="Cap of the weight's bracket."),
    click.option("--halvings", type=int, help="Bisection steps after the bracket."),
    click.option(
        "--penalty",
        type=click.Choice(["abs", "sum"]),
        help="Form of the L1 penalty: abs as published, sum is smooth.",
    ),
    click.option("--l2-weight", type=float, help="Coefficient of mean(x^2)."),
    click.option("--tv-weight", type=float, help="Coefficient of the total variation."),
)
_JUDGEMENT = (
    click.option(
        "--outlier-test", type=click.Choice(list(OUTLIER_TESTS)), help="How scores are judged."
    ),
    click.option("--threshold", type=float, help="Anomaly index above which a class is flagged."),
    click.option(
        "--reference",
        type=click.Path(dir_okay=False),
        help="Clean reference models, a file of triggerfish calibrate.",
    ),
    click.option(
        "--false-positive-rate",
        type=click.FloatRange(0, 1, min_open=True, max_open=True),
        help="Error rate on clean models that a calibrated threshold aims at.",
    ),
)
JUDGEMENT = ("outlier_test", "threshold", "reference", "false_positive_rate")


def settings_options(command: Command) -> Command:
    """Add the settings of the detectors' searches; each is None when it was not given."""
    for option in reversed(_SETTINGS):
        command = option(command)
    return command


def judgement_options(command: Command) -> Command:
    """Add the options of the outlier test; each is None when it was not given."""
    for option in reversed(_JUDGEMENT):
        command = option(command)
    return command


def scan_config(
    detector: str | None, preset: str | None, seed: int, options: Mapping[str, Any]
) -> ScanConfig:
    """Turn what was given into a configuration; what was not given keeps its default.

    Raises:
        click.UsageError: a setting that the detector does not have, or a value out of range.
    """
    given = {name: value for name, value in options.items() if value is not None}
    judgement = {name: given.pop(name) for name in JUDGEMENT if name in given}
    if preset == PUBLISHED and detector not in (None, "l1-weight"):
        raise click.UsageError(
            f"expected --detector l1-weight with --preset published, got {detector}: drop one"
        )
    name = "l1-weight" if preset == PUBLISHED else detector or ScanConfig().detector
    try:
        settings = detector_settings(name, given)
        if preset == PUBLISHED:
            assert isinstance(settings, L1WeightConfig)
            base = published(settings)
            judge = published_judgement(base.judge, judgement)
            return dataclasses.replace(base, seed=seed, judge=judge)
        return ScanConfig(name, settings, own_judgement(name, judgement), seed)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def own_judgement(detector: str, given: Mapping[str, Any]) -> Judge:
    """The judge of a detector of ours with the given values in place of its defaults."""
    fallback = DETECTORS[detector]
    if given.get("outlier_test") == "largest" != fallback.outlier_test and "threshold" not in given:
        raise ValueError(
            f"expected --threshold with --outlier-test largest for {detector}, got none: "
            "its statistic has no scale of its own"
        )
    return Judge(**given)


def published_judgement(judge: Judge, given: Mapping[str, Any]) -> Judge:
    """The published judge with another test or threshold; it knows no reference models."""
    for name in ("reference", "false_positive_rate"):
        if name in given:
            flag = f"--{name.replace('_', '-')}"
            raise ValueError(f"expected no {flag} with --preset published, got one: drop one")
    test = given.get("outlier_test", judge.outlier_test)
    own = judge.threshold if test == judge.outlier_test else None
    threshold = given.get("threshold", own)
    if test == "largest" and threshold is None:
        raise ValueError("expected --threshold with --outlier-test largest, got none")
    return dataclasses.replace(judge, outlier_test=test, threshold=threshold)


def detector_settings(detector: str, given: Mapping[str, Any]) -> object:
    """The detector's own configuration with the given values in place of its defaults.

    Raises:
        ValueError: a value out of range.
        click.UsageError: a setting that the detector does not have.
    """
    config, values = DETECTORS[detector].config, dict(given)
    known = [field.name for field in dataclasses.fields(config)]
    if "target_prob" in values and "target_log_odds" in known:
        values["target_log_odds"] = _log_odds(values.pop("target_prob"))
    if "steps" in values and "schedule" in known:
        schedule = config().schedule
        values["schedule"] = dataclasses.replace(schedule, steps=values.pop("steps"))
    for name in values:
        if name not in known:
            flag = f"--{name.replace('_', '-')}"
            raise click.UsageError(f"expected a setting of {detector}, got {flag}: drop it")
    return config(**values)


def _log_odds(probability: object) -> float:
    """log(p / (1 - p)): the same confidence, in the unit of the detectors that use log-odds."""
    if not isinstance(probability, float) or not 0 < probability < 1:
        raise ValueError(f"expected 0 < target_prob < 1, got {probability}")
    return math.log(probability / (1 - probability))
