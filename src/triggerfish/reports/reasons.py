"""What each reason code asks and what to do about it, for the formats that list them all."""

from __future__ import annotations

import math
import shlex
import statistics
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from triggerfish.reports.words import MOST_NAMED, sizes_of
from triggerfish.results import BASES, CARRIED, Assumption, Fact, Finding, Scanned, Status
from triggerfish.results.deciding import deciding_rows, excess

KERAS = (".h5", ".hdf5", ".keras")  # read, and not written
GIVEN = "command line"
"""The source of facts that the user has to say again."""
RANGE = "input-range"


@dataclass(frozen=True)
class Check:
    """``asks`` is the question that the check puts; ``command`` what to run when it fails.

    In ``command`` ``{model}`` stands for the model's file and how it is to be loaded, ``{file}``
    for the file and what the user has said of it, ``{other_range}`` for the file with the other
    usual range of inputs, ``{suspect}`` for the class that the evidence points at, ``{seed}`` for a
    new seed. Where that class has had its confirmation test, or another seed has been tried, the
    question is put to the user's own images instead.
    """

    asks: str
    command: str


INSPECT = "triggerfish inspect {file}"
OTHER_RANGE = "triggerfish scan {other_range}"
OTHER_SEED = "triggerfish scan {model} --seed {seed}"
CONFIRM = "triggerfish confirm {model} --class {suspect}"
OWN_IMAGES = "triggerfish scan {model} --images FOLDER"
"""FOLDER has images of the user's own: what was found is tried on them (docs/tutorial.md)."""

CHECKS: dict[str, Check] = {
    "not-finite": Check("Are all outputs finite numbers?", INSPECT),
    "constant-output": Check("Does the output depend on the image?", OTHER_RANGE),
    "flat-output": Check("Does the output change enough with the image?", OTHER_RANGE),
    "sharp-output": Check("Is the network unsure about images of no class?", OTHER_RANGE),
    "saturated": Check("Are probabilities strictly between 0 and 1?", INSPECT),
    "unstable-output": Check("Does the same image get the same answer twice?", INSPECT),
    "wrong-preprocessing": Check(
        "Are inputs scaled as batch norm expects, if there is any?", INSPECT
    ),
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
    "few-classes": Check("Were enough classes measured for an outlier?", CONFIRM),
    "ties": Check("Do the classes have different scores?", "triggerfish scan {model} --restarts 4"),
    "implausible-norms": Check("Are the classes within reach of a small pattern?", INSPECT),
    "runs-disagree": Check(
        "Do the runs of the search agree?", "triggerfish scan {model} --restarts 8"
    ),
    "unclear-score": Check("Is the largest score clearly ordinary or clearly not?", CONFIRM),
    "unclear-all-classes": Check(
        "Is the score for an attack on all classes clearly ordinary or clearly not?",
        "triggerfish scan {model} --detector pairwise-norm",
    ),
    "not-confirmed": Check("Does a confirmation test confirm the flag?", OTHER_SEED),
    "suspicious-structure": Check("Do the learned layers alone decide the answer?", INSPECT),
    "network-not-scanned": Check("Could every network of the file be read?", INSPECT),
    "detectors-disagree": Check(
        "Do the detectors agree where clean models like this one say nothing?", CONFIRM
    ),
}


def next_steps(result: Scanned) -> tuple[str, ...]:
    """Commands that lead on, ready to paste: after a flag, and where there is no answer."""
    if result.path is None or result.accepted or result.verdict.name == "clean":
        return ()
    if result.verdict.name == "backdoored":
        return tuple(_after_a_flag(result))
    steps = (next_step(result, reason) for reason in result.verdict.reasons)
    return tuple(step for step in steps if step)[:1]


def next_step(result: Scanned, finding: Finding) -> str | None:
    """A command that works when pasted: the finding's own, else the usual one for its code."""
    if finding.command is not None:
        return finding.command
    check = CHECKS.get(finding.code)
    if check is None or result.path is None:
        return None
    if finding.code == "few-classes" and set(result.scores.status) == {Status.SCREENED}:
        # No class is a suspect before a search: all of the few are tested.
        classes = " ".join(f"--class {k}" for k in range(len(result.scores.status)))
        return f"triggerfish confirm {_model(result)} {classes}"
    suspect = suspected_class(result)
    command: str | None = check.command
    if command == CONFIRM and any(test.target == suspect for test in result.confirmations):
        command = OTHER_SEED
    command = _other_seed(result) if command == OTHER_SEED else command
    return command and command.format(
        model=_model(result),
        file=_pasted(result, (), result.facts),
        other_range=_with_other_range(result),
        suspect=suspect,
        seed=1,
    )


def _other_seed(result: Scanned) -> str | None:
    """Another seed once: a third only draws lots. Then the user's own images decide.

    So they do where a confirmation test has passed already. None where they have been tried.
    """
    passed = any(test.grade == "confirmed" for test in result.confirmations)
    if result.config.get("seed", 0) == 0 and not passed:
        return OTHER_SEED
    return None if result.trials else OWN_IMAGES


def suspected_class(result: Scanned) -> int:
    """The class that the evidence points at.

    It is the most suspicious one by the test that decides. Where that has no level, as where too
    few classes were measured, it is the one with the smallest pattern beside the median class, else
    the one with the largest statistic.
    """
    rows = [r for r in result.verdict.evidence if r.is_suspicious and r.null.kind != "same-size"]
    # What may be suspected but not flagged has no distance to a level that flags.
    if beyond := [
        (row.score, row.hypothesis.target)
        for row in rows
        if row.hypothesis.target is not None and math.isinf(row.flag_at)
    ]:
        return max(beyond)[1]
    rows += [r for r in deciding_rows(result.verdict) if r is not None]
    judged = [
        (excess(row), row.hypothesis.target)
        for row in rows
        if row.hypothesis.target is not None and math.isfinite(row.score + row.flag_at)
    ]
    if judged:
        return max(judged)[1]
    ratios = dict[int, float]()
    for scores in (result.scores, *result.scores.parts):
        for basis in BASES:
            sizes = sizes_of(scores, basis)
            for k, size in sizes.items():
                ratios[k] = min(ratios.get(k, math.inf), size / statistics.median(sizes.values()))
    if ratios:
        return min(ratios, key=ratios.__getitem__)
    values = result.scores.statistic.nan_to_num(-math.inf)
    return int(values.argmax())


def _after_a_flag(result: Scanned) -> Iterator[str]:
    """Another test of each flagged class that has passed none, and a repair that can unlearn it."""
    verdict = result.verdict
    if any(h.kind == "structure" for h in verdict.accused):
        yield from _repair(result)
        return
    # Neither a confirmation test nor a repair is for these.
    if verdict.sources or all(h.kind == "stamp" for h in verdict.accused):
        if command := _other_seed(result):
            yield command.format(model=_model(result), seed=1)
        return
    passed = {test.target for test in result.confirmations if test.grade == "confirmed"}
    if untested := [k for k in verdict.flagged if k not in passed][:MOST_NAMED]:
        classes = " ".join(f"--class {k}" for k in untested)
        yield f"triggerfish confirm {_model(result)} {classes}"
    yield from _repair(result)


def _repair(result: Scanned) -> Iterator[str]:
    """Of a program the branches are cut off, and of no other."""
    assert result.path is not None
    in_program = any(h.kind == "structure" for h in result.verdict.accused)
    if in_program or is_written_again(result.path, result.facts):
        yield f"triggerfish repair {_model(result)} --out {repaired_name(result.path)}"


def is_written_again(path: Path, facts: Iterable[Fact]) -> bool:
    """Whether a repair can write new weights: not into a file that carries its network."""
    carried = any(fact.name == "network" and fact.value == CARRIED for fact in facts)
    return bool(path.suffix) and path.suffix not in KERAS and not carried


def repaired_name(path: Path) -> str:
    """``model.repaired.pt`` for ``model.pt``, quoted for a shell."""
    return shlex.quote(str(path.with_name(f"{path.stem}.repaired{path.suffix}")))


def _model(result: Scanned) -> str:
    """The file, and options that make it be read as it was."""
    return _pasted(result, result.assumptions, result.facts)


def _with_other_range(result: Scanned) -> str:
    """The file with inputs from 0 to 255, or from 0 to 1 where it was that."""
    said = {fact.name: fact.value for fact in result.facts}
    said |= {guess.name: guess.value for guess in result.assumptions}
    wide = said.get(RANGE, "0,1").replace(".0", "") == "0,255"
    facts = [fact for fact in result.facts if fact.name != RANGE]
    rest = [item for item in result.assumptions if item.name != RANGE]
    return f"{_pasted(result, rest, facts)} --{RANGE} {'0,1' if wide else '0,255'}"


def _pasted(result: Scanned, assumptions: Iterable[Assumption], facts: Iterable[Fact]) -> str:
    return shlex.join([str(result.path), *loading_words(assumptions, facts)])


def loading_words(assumptions: Iterable[Assumption], facts: Iterable[Fact]) -> list[str]:
    """The options that make a file be read as it was: what was assumed, and what the user said."""
    said = [(item.name, item.value) for item in assumptions]
    said += [(f.name, f.value) for f in facts if f.source == GIVEN or f.name == "state-key"]
    return [word for name, value in said for word in _words(name, value)]


def _words(name: str, value: str) -> list[str]:
    if name == "channels-last":
        return [f"--{name}"] if value == str(True) else []
    if name == "arch-args":
        return [word for item in shlex.split(value) for word in (f"--{name}", item)]
    return [f"--{name}", value]
