"""What each reason code asks and what to do about it, for the formats that list them all."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from triggerfish.results import Assumption, Fact, Finding, Scanned

GIVEN = "command line"
"""The source of facts that the user has to say again."""


@dataclass(frozen=True)
class Check:
    """``asks`` is the question that the check puts; ``command`` what to run when it fails.

    In ``command`` ``{model}`` stands for the model's file and how it is to be loaded, ``{file}``
    for the file and what the user has said of it, ``{index}`` and ``{score}`` for the class with
    the largest anomaly index and score, ``{seed}`` for a new seed.
    """

    asks: str
    command: str


INSPECT = "triggerfish inspect {file}"
CONFIRMATION_TEST = "triggerfish confirm {model} --class {index}"

CHECKS: dict[str, Check] = {
    "not-finite": Check("Are all outputs finite numbers?", INSPECT),
    "constant-output": Check("Does the output depend on the picture?", INSPECT),
    "flat-output": Check("Does the output move with the picture enough?", INSPECT),
    "sharp-output": Check("Is the network unsure about pictures of no class?", INSPECT),
    "saturated": Check("Are probabilities strictly between 0 and 1?", INSPECT),
    "unstable-output": Check("Does the same picture get the same answer twice?", INSPECT),
    "wrong-preprocessing": Check("Do inputs look like those that batch norm saw?", INSPECT),
    "reference-mismatch": Check(
        "Is the reference one of this network and task?", "triggerfish scan {model}"
    ),
    "unreachable": Check(
        "Can every class be reached?",
        "triggerfish scan {model} --detector min-norm --target-prob 0.9",
    ),
    "cap-reached": Check(
        "Did every search end below the cap?",
        "triggerfish scan {model} --detector l1-weight --max-l1-weight 16777216",
    ),
    "few-classes": Check("Were enough classes measured for one to stand out?", CONFIRMATION_TEST),
    "ties": Check("Do the classes have different scores?", "triggerfish scan {model} --restarts 4"),
    "implausible-norms": Check("Are the classes within reach of a small perturbation?", INSPECT),
    "runs-disagree": Check(
        "Do the runs of the search agree?", "triggerfish scan {model} --restarts 8"
    ),
    "unclear-score": Check(
        "Is the largest score clearly ordinary or clearly not?", CONFIRMATION_TEST
    ),
    "unclear-all-classes": Check(
        "Is the score for an attack on all classes clearly ordinary or clearly not?",
        "triggerfish scan {model} --detector pairwise-norm",
    ),
    "not-confirmed": Check(
        "Does a confirmation test confirm the flag?", "triggerfish scan {model} --seed {seed}"
    ),
    "network-not-scanned": Check("Could every network of the file be read?", INSPECT),
    "detectors-disagree": Check(
        "Do the detectors agree where clean models like this one say nothing?",
        "triggerfish confirm {model} --class {score}",
    ),
}


def next_step(result: Scanned, finding: Finding) -> str | None:
    """A command that works when pasted: the finding's own, else the usual one for its code."""
    if finding.command is not None:
        return finding.command
    if finding.code not in CHECKS or result.path is None:
        return None
    seed = result.config.get("seed")
    return CHECKS[finding.code].command.format(
        model=shlex.join([str(result.path), *loading_words(result.assumptions, result.facts)]),
        file=shlex.join([str(result.path), *loading_words((), result.facts)]),
        index=_largest(result.verdict.anomaly_index),
        score=_largest(result.scores.statistic.tolist()),
        seed=seed + 1 if isinstance(seed, int) else 1,
    )


def loading_words(assumptions: Iterable[Assumption], facts: Iterable[Fact]) -> list[str]:
    """The options that make a file be read as it was: what was assumed, and what the user said."""
    said = [(item.name, item.value) for item in assumptions]
    said += [(f.name, f.value) for f in facts if f.source == GIVEN or f.name == "state-key"]
    return [word for name, value in said for word in _words(name, value)]


def _words(name: str, value: str) -> list[str]:
    if name == "channels-last":
        return [f"--{name}"] if value == str(True) else []
    if name == "arch-args":
        return [word for item in value.split() for word in (f"--{name}", item)]
    return [f"--{name}", value]


def _largest(values: Sequence[float]) -> int:
    """The class with the largest value, the first where nothing was measured."""
    return max(range(len(values)), key=lambda k: -math.inf if values[k] != values[k] else values[k])
