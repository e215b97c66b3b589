"""How far a run folder is: counted from its lines, whoever is writing them."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from triggerfish.errors import ResultError
from triggerfish.files import write_file
from triggerfish.runs.folder import RESULTS, RunFolder
from triggerfish.runs.lines import Lines
from triggerfish.runs.selection import Shard

_PLAN = "run"


@dataclass(frozen=True)
class Plan:
    """What a command has set out to do: so many ``models``, with so many ``lines`` there before.

    ``started`` and ``ended`` are in seconds since 1970; one that runs, or was killed, has no end.
    """

    models: int
    lines: int
    started: float
    ended: float | None = None


@dataclass(frozen=True)
class RunStatus:
    """Counts of models; ``models`` is None where no plan says how many there are.

    ``rate`` is in models a second since the last start, ``seconds_left`` by that rate; None when
    nothing has ended yet, and ``seconds_left`` also after an interrupt.
    """

    models: int | None
    done: int
    flagged: int
    clean: int
    inconclusive: int
    skipped: int
    failed: int
    rate: float | None
    seconds_left: float | None
    damaged_lines: int = 0


def write_plan(folder: RunFolder, models: int, shard: Shard | None) -> None:
    """Put down what a command sets out to do; one file for each share."""
    _write(_file(folder, shard), Plan(models, folder.lines.count, time.time()))


def write_end(folder: RunFolder, shard: Shard | None) -> None:
    """Put down that a command has ended, with all its models or not."""
    file = _file(folder, shard)
    _write(file, replace(_read(file), ended=time.time()))


def _file(folder: RunFolder, shard: Shard | None) -> Path:
    name = _PLAN if shard is None else f"{_PLAN}-{shard.index}-of-{shard.count}"
    return folder.path / f"{name}.json"


def _write(file: Path, plan: Plan) -> None:
    write_file(file, (json.dumps(asdict(plan)) + "\n").encode())


def read_status(path: Path) -> RunStatus:
    """Count what is in a run folder.

    Raises:
        ResultError: it is none.
    """
    plans = _plans(path)
    if not plans and not (path / RESULTS).is_file():
        raise ResultError(
            f"expected a run folder at {path}, got one without {RESULTS}: "
            "name what was given to scan --out"
        )
    lines = Lines(path / RESULTS)
    lines.refresh()
    current = [line for _, line in lines.current()]
    outcomes = Counter(line.outcome for line in current)
    failed = sum(line.kind == "failed" for line in current)
    # Files that were there once and are gone have lines, and no place in the latest plan.
    models = max(len(current), sum(plan.models for plan in plans)) if plans else None
    rate = _rate(plans, lines)
    left = None
    if (
        models is not None
        and rate is not None
        and (models <= len(current) or _goes_on(plans, lines))
    ):
        left = max(0, models - len(current)) / rate
    return RunStatus(
        models=models,
        done=len(current),
        flagged=outcomes["backdoored"],
        clean=outcomes["clean"],
        inconclusive=outcomes["inconclusive"],
        skipped=sum(line.kind is not None for line in current) - failed,
        failed=failed,
        rate=rate,
        seconds_left=left,
        damaged_lines=lines.damaged,
    )


def _plans(path: Path) -> list[Plan]:
    return [_read(file) for file in sorted(path.glob(f"{_PLAN}*.json"))]


def _read(file: Path) -> Plan:
    try:
        return Plan(**json.loads(file.read_bytes()))
    except (ValueError, TypeError, OSError) as error:
        raise ResultError(f"expected the plan of a run in {file}, got {error}") from error


def _goes_on(plans: Iterable[Plan], lines: Lines) -> bool:
    """Whether a command has not ended, or lines have come since: several write one folder."""
    ends = [plan.ended for plan in plans]
    return None in ends or lines.path.stat().st_mtime > max(end for end in ends if end is not None)


def _rate(plans: Iterable[Plan], lines: Lines) -> float | None:
    """Models a second since the latest start, until the latest line."""
    latest = max(plans, key=lambda plan: plan.started, default=None)
    if latest is None or not lines.path.is_file():
        return None
    new = lines.count - latest.lines
    seconds = lines.path.stat().st_mtime - latest.started
    return new / seconds if new > 0 and seconds > 0 else None
