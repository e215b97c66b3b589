"""The options that choose a detector and its settings, shared by the commands that scan.

They are made from the fields of the detectors: settings of one name are one option.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import click

from triggerfish.cli.option_groups import GroupedOption
from triggerfish.cli.setting_types import click_type, shown
from triggerfish.detectors import DETECTORS, Detector, L1Weight
from triggerfish.references.store import read_reference
from triggerfish.scanning import ScanConfig, published
from triggerfish.statistics.outliers import OUTLIER_TESTS
from triggerfish.verdict.judge import Judge

Command = TypeVar("Command", bound=Callable[..., Any])

PUBLISHED = "published"

_PROBABILITY, _LOG_ODDS = "target_prob", "target_log_odds"
_AS_LOG_ODDS = " Detectors with --target-log-odds take it in that unit."

_JUDGEMENT = (
    click.option(
        "--outlier-test", type=click.Choice(list(OUTLIER_TESTS)), help="How scores are judged."
    ),
    click.option(
        "--threshold", type=float, help="Score above which a class is flagged, by whatever test."
    ),
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
    click.option(
        "--same-task/--no-same-task",
        default=None,
        help="Compare each class with clean networks of the same task, where it is recognised.",
    ),
    click.option("--peers/--no-peers", default=None, hidden=True, help="Its old name."),
)
JUDGEMENT = ("outlier_test", "threshold", "reference", "false_positive_rate", "same_task")


@dataclass(frozen=True)
class _Use:
    """One detector's setting of some name: what it does there, and its default as text."""

    detector: str
    help: str
    default: str


def settings_options(command: Command) -> Command:
    """Add the settings of the detectors' searches; each is None when it was not given."""
    for option in reversed(_options()):
        command = option(command)
    return command


def judgement_options(command: Command) -> Command:
    """Add the options of the outlier test; each is None when it was not given."""
    for option in reversed(_JUDGEMENT):
        command = option(command)
    return command


def _options() -> list[Callable[[Command], Command]]:
    """An option for every name of a setting; those of several detectors come first."""
    uses: dict[str, list[_Use]] = {}
    types = {}
    for name, detector in DETECTORS.items():
        hints = get_type_hints(detector)
        for field in fields(detector):
            types[field.name] = click_type(hints[field.name])
            unit = field.metadata["unit"]
            text = field.metadata["help"] + (f", in {unit}" if unit else "")
            use = _Use(name, text, shown(field.default))
            uses.setdefault(field.name, []).append(use)
    groups = {name: _group(name, uses[name]) for name in uses}
    several = sorted(uses, key=lambda name: groups[name] != _SEVERAL)
    return [
        click.option(
            f"--{name.replace('_', '-')}",
            cls=GroupedOption,
            group=groups[name],
            **_kind(types[name]),
            help=_help(uses[name]) + (_AS_LOG_ODDS if name == _PROBABILITY else ""),
        )
        for name in several
    ]


def _kind(kind: object) -> dict[str, object]:
    """What kind of option a type makes; a switch is None when it was not given, like the others."""
    if kind is click.BOOL:
        return {"is_flag": True, "default": None}
    # Click knows by itself what to show for a type of its own.
    metavar = None if isinstance(kind, click.ParamType) else "VALUE,..."
    return {"type": kind, "metavar": metavar}


_SEVERAL = "Settings of several detectors"


def _group(name: str, uses: list[_Use]) -> str:
    shared = len(uses) > 1 or name == _PROBABILITY
    return _SEVERAL if shared else f"Settings of {uses[0].detector}"


def _help(uses: list[_Use]) -> str:
    """What the setting does, and its default, per detector where there are several."""
    if len(uses) == 1:
        return f"{uses[0].help}.  [default: {uses[0].default}]"
    parts = []
    for text in dict.fromkeys(use.help for use in uses):
        alike = [use for use in uses if use.help == text]
        defaults = "; ".join(f"{use.detector} {use.default}" for use in alike)
        parts.append(f"{text} ({defaults})")
    first, *others = parts
    return "; ".join([first, *(part[0].lower() + part[1:] for part in others)]) + "."


def scan_config(
    detector: str | None, preset: str | None, seed: int, options: Mapping[str, Any]
) -> ScanConfig:
    """Turn what was given into a configuration; what was not given keeps its default.

    Raises:
        click.UsageError: a setting that the detector does not have, or a value out of range.
        CheckpointError: a reference that cannot be read.
    """
    given = {name: value for name, value in options.items() if value is not None}
    if "peers" in given:
        given.setdefault("same_task", given.pop("peers"))
    judgement = {name: given.pop(name) for name in JUDGEMENT if name in given}
    if preset == PUBLISHED and detector not in (None, L1Weight.name):
        raise click.UsageError(
            f"--preset published is the detector l1-weight, not {detector}: drop one"
        )
    name = L1Weight.name if preset == PUBLISHED else detector or ScanConfig().detector.name
    try:
        made = make_detector(name, given)
        if isinstance(made, L1Weight) and preset == PUBLISHED:
            base = published(made)
            return replace(base, judge=published_judgement(base.judge, judgement), seed=seed)
        return ScanConfig(made, own_judgement(judgement), seed)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def own_judgement(given: Mapping[str, Any]) -> Judge:
    """The judge with the given values in place of its defaults; reads the reference."""
    if "reference" in given:
        given = {**given, "reference": read_reference(Path(given["reference"]))}
    return Judge(**given)


def published_judgement(judge: Judge, given: Mapping[str, Any]) -> Judge:
    """The published judge with another test or threshold; it knows no reference models."""
    for name in ("reference", "false_positive_rate", "same_task"):
        if name in given:
            flag = f"--{name.replace('_', '-')}"
            raise ValueError(f"{flag} and --preset published exclude each other: drop one")
    test = given.get("outlier_test", judge.outlier_test)
    own = judge.threshold if test == judge.outlier_test else None
    return replace(judge, outlier_test=test, threshold=given.get("threshold", own))


def make_detector(name: str, given: Mapping[str, Any]) -> Detector:
    """The detector with the given settings in place of its defaults.

    Raises:
        ValueError: a value out of range.
        click.UsageError: a setting that the detector does not have.
    """
    detector, values = DETECTORS[name], dict(given)
    known = [field.name for field in fields(detector)]
    if _PROBABILITY in values and _PROBABILITY not in known and _LOG_ODDS in known:
        if _LOG_ODDS in values:
            raise click.UsageError(
                "--target-prob and --target-log-odds exclude each other: drop one"
            )
        values[_LOG_ODDS] = _log_odds(values.pop(_PROBABILITY))
    for setting in values:
        if setting not in known:
            raise click.UsageError(_foreign(setting, name))
    return detector(**values)


def _foreign(setting: str, name: str) -> str:
    """That the detector ``name`` has no such setting, and which one has it."""
    flag = f"--{setting.replace('_', '-')}"
    owners = [other for other, made in DETECTORS.items() if setting in _names(made)]
    instead = f", or take --detector {owners[0]}" if owners else ""
    return f"{name} has no setting {flag}: drop it{instead}"


def _names(detector: type[Detector]) -> set[str]:
    return {field.name for field in fields(detector)}


def _log_odds(probability: float) -> float:
    """log(p / (1 - p)): the same confidence, in the unit of the detectors that use log-odds."""
    if not 0 < probability < 1:
        raise ValueError(f"--target-prob is between 0 and 1, not {probability}")
    return math.log(probability / (1 - probability))
