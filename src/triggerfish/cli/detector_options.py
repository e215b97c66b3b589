"""The options that choose a detector and its settings, shared by the commands that scan."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from triggerfish.detectors import DETECTORS
from triggerfish.detectors.l1_weight import L1WeightConfig
from triggerfish.optimization import OBJECTIVES
from triggerfish.outliers import OUTLIER_TESTS
from triggerfish.scan import ScanConfig, published

Command = TypeVar("Command", bound=Callable[..., Any])

PUBLISHED = "published"

_SETTINGS = (
    click.option("--objective", type=click.Choice(list(OBJECTIVES)), help="What is maximized."),
    click.option("--target-prob", type=float, help="Probability a class must reach."),
    click.option("--steps", type=int, help="Optimisation steps a search."),
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
)


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
    if preset == PUBLISHED and detector not in (None, "l1-weight"):
        raise click.UsageError(
            f"expected --detector l1-weight with --preset published, got {detector}: drop one"
        )
    name = "l1-weight" if preset == PUBLISHED else detector or ScanConfig().detector
    judgement = _judgement(name, preset, given)
    try:
        settings = detector_settings(name, given)
        if preset == PUBLISHED:
            assert isinstance(settings, L1WeightConfig)
            return dataclasses.replace(published(settings), seed=seed, **judgement)
        return ScanConfig(detector=name, settings=settings, seed=seed, **judgement)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _judgement(detector: str, preset: str | None, given: dict[str, Any]) -> dict[str, Any]:
    """Take the outlier test's options out of ``given``."""
    names = [name for name in ("outlier_test", "threshold") if name in given]
    judgement: dict[str, Any] = {name: given.pop(name) for name in names}
    if detector == "l1-weight" and preset is None:
        # Weights have no scale of their own, which the test of log-ratios needs.
        judgement.setdefault("outlier_test", "one-sided-mad")
    if judgement.get("outlier_test", "largest") != "largest":
        judgement.setdefault("threshold", None)
    return judgement


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
