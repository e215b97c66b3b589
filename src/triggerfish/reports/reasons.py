"""What each reason code asks and what to do about it, for the formats that list them all."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from triggerfish.results import Finding, Scanned


@dataclass(frozen=True)
class Check:
    """``asks`` is the question that the check puts; ``command`` what to run when it fails.

    In ``command`` ``{path}`` stands for the model's file.
    """

    asks: str
    command: str


INSPECT = "triggerfish inspect {path}"
CALIBRATE = "triggerfish calibrate FOLDER_OF_CLEAN_MODELS --out reference.json"

CHECKS: dict[str, Check] = {
    "not-finite": Check("Are all outputs finite numbers?", INSPECT),
    "constant-output": Check("Does the output depend on the picture?", INSPECT),
    "flat-output": Check("Does the output move with the picture enough?", INSPECT),
    "sharp-output": Check("Is the network unsure about pictures of no class?", INSPECT),
    "saturated": Check("Are probabilities strictly between 0 and 1?", INSPECT),
    "unstable-output": Check("Does the same picture get the same answer twice?", INSPECT),
    "wrong-preprocessing": Check("Do inputs look like those that batch norm saw?", INSPECT),
    "unreachable": Check(
        "Can every class be reached?",
        "triggerfish scan {path} --detector min-norm --target-prob 0.9",
    ),
    "cap-reached": Check(
        "Did every search end below the cap?",
        "triggerfish scan {path} --detector l1-weight --max-l1-weight 16777216",
    ),
    "few-classes": Check("Were enough classes measured for one to stand out?", CALIBRATE),
    "ties": Check("Do the classes have different scores?", "triggerfish scan {path} --restarts 4"),
    "implausible-norms": Check("Are the classes within reach of a small change?", INSPECT),
    "runs-disagree": Check(
        "Do the runs of the search agree?", "triggerfish scan {path} --restarts 8"
    ),
    "unclear-score": Check("Is the largest score clearly ordinary or clearly not?", CALIBRATE),
    "unclear-all-classes": Check(
        "Is the score for an attack on all classes clearly ordinary or clearly not?",
        "triggerfish scan {path} --detector pairwise-norm",
    ),
    "not-confirmed": Check("Does a second look confirm the flag?", CALIBRATE),
    "detectors-disagree": Check(
        "Do the detectors agree where clean models like this one say nothing?",
        "triggerfish scan {path} --thorough",
    ),
}


def next_step(result: Scanned, finding: Finding) -> str | None:
    """A command that works when pasted: the finding's own, else the usual one for its code."""
    if finding.command is not None:
        return finding.command
    if finding.code not in CHECKS or result.path is None:
        return None
    return CHECKS[finding.code].command.format(path=shlex.quote(str(result.path)))
