"""What is kept of one scan of a stranger's network: a line of results/strangers/DETECTOR.jsonl."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import RESULTS
from benchmarks.corpus import Record
from benchmarks.rows import Numbers, rounded
from triggerfish.files import write_atomically
from triggerfish.levels import SURE
from triggerfish.reports.columns import columns
from triggerfish.results import Scanned

FOLDER = RESULTS / "strangers"
PAIRS = "pairs"
"""In a row's parts the scores of all pairs of classes (K * K,), source by source."""
NEAR = 0.01
"""Scores that differ by less are equal: processors round sums differently."""
TERMS = {"ratio_pixel", "ratio_frequency", "margin"}
"""Of the universal score, so that its rule can be looked at without another scan."""


@dataclass(frozen=True)
class Row:
    """A network, the truth about it, and one detector's answer.

    ``attack`` and ``trigger`` are empty for clean networks; ``statistic``, ``index`` (K,) are None
    where not measured, ``parts`` the statistics of a detector's parts and `TERMS`, ``all_classes``
    the score of an attack on every class and ``all_flagged`` whether it counts as one, ``looks``
    the classes that had a confirmation test, each with its lead. ``threshold`` is what the index
    was compared with, and ``peers`` the task whose clean networks it was measured from. ``sure``
    are the rows of evidence on sure images: class (None for all of them), null and score.
    ``setup`` identifies the detector's settings and thresholds.
    """

    id: str
    split: str
    data: str
    attacked: bool
    attack: str
    trigger: str
    targets: tuple[int, ...]
    success: float | None
    setup: str
    verdict: str
    flagged: tuple[int, ...]
    all_flagged: bool
    reasons: tuple[str, ...]
    statistic: Numbers
    index: Numbers
    all_classes: float | None
    parts: dict[str, Numbers]
    seconds: float
    cpu_seconds: float
    looks: tuple[tuple[int, float], ...] = ()
    threshold: float | None = None
    peers: str = ""
    sure: tuple[tuple[int | None, str, float | None], ...] = ()

    @property
    def score(self) -> float:
        """The largest index in units of its threshold; -inf where nothing was measured."""
        return self._largest / (self.threshold or 1.0)

    @property
    def first(self) -> int | None:
        """The class with the largest index."""
        return None if self._largest == -math.inf else self.index.index(self._largest)

    @property
    def _largest(self) -> float:
        return max((v for v in self.index if v is not None), default=-math.inf)


def row_of(record: Record, setup: str, result: Scanned, cpu_seconds: float) -> Row:
    """What is kept of a scan."""
    scores, verdict = result.scores, result.verdict
    return Row(
        id=record["id"],
        split=record["split"],
        data=record["data"],
        attacked=record["attacked"],
        attack=record.get("attack") or "",
        trigger=record.get("trigger") or "",
        targets=tuple(record.get("targets") or ()),
        success=record.get("success"),
        setup=setup,
        verdict=verdict.name,
        flagged=verdict.flagged,
        all_flagged=verdict.all_classes,
        reasons=tuple(reason.code for reason in verdict.reasons),
        statistic=rounded(scores.statistic.tolist()),
        index=rounded(verdict.anomaly_index),
        all_classes=None if scores.all_classes is None else rounded([scores.all_classes])[0],
        parts={
            **{part.name: rounded(part.statistic.tolist()) for part in scores.parts},
            **{
                name: rounded(vector.tolist())
                for name, vector in columns(scores).items()
                if name in TERMS
            },
            **(
                {}
                if scores.pairs is None
                else {PAIRS: rounded(scores.pairs.score.flatten().tolist())}
            ),
        },
        seconds=round(result.seconds, 3),
        cpu_seconds=round(cpu_seconds, 3),
        looks=tuple((look.target, round(look.lead, 3)) for look in result.confirmations),
        threshold=rounded([verdict.threshold])[0],
        peers=verdict.same_task or "",
        sure=tuple(
            (row.hypothesis.target, row.null.kind, rounded([row.score])[0])
            for row in verdict.evidence
            if row.test == SURE
        ),
    )


def differences(old: Row, new: Row) -> list[str]:
    """In what two scans of one network differ: the answer, or scores by more than `NEAR`.

    Scores are compared where both are of the same settings and levels.
    """
    said = ("verdict", "flagged", "all_flagged", "reasons")
    found = [
        f"{name}: {getattr(old, name)} -> {getattr(new, name)}"
        for name in said
        if getattr(old, name) != getattr(new, name)
    ]
    if old.setup != new.setup:
        return found
    before, after = (
        np.array([math.nan if v is None else v for v in row.index]) for row in (old, new)
    )
    if before.shape != after.shape or not np.allclose(before, after, atol=NEAR, equal_nan=True):
        found.append(f"index: {old.index} -> {new.index}")
    return found


def read_rows(detector: str, folder: Path = FOLDER) -> dict[str, Row]:
    """The rows of one detector so far, by the network's id."""
    path = folder / f"{detector}.jsonl"
    if not path.is_file():
        return {}
    rows = map(_read, path.read_text("utf-8").splitlines())
    return {row.id: row for row in rows}


def write_rows(detector: str, rows: Mapping[str, Row], folder: Path = FOLDER) -> None:
    """Replace the file of one detector in one step."""
    lines = [json.dumps(asdict(rows[key]), separators=(",", ":")) for key in sorted(rows)]
    text = "".join(f"{line}\n" for line in lines)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / f"{detector}.jsonl", lambda path: path.write_text(text, "utf-8"))


def _read(line: str) -> Row:
    plain = json.loads(line)
    return Row(
        **{field.name: _tuples(plain[field.name]) for field in fields(Row) if field.name in plain}
    )


def _tuples(value: object) -> Any:  # noqa: ANN401 - whatever JSON holds
    if isinstance(value, dict):
        return {name: _tuples(item) for name, item in value.items()}
    return tuple(value) if isinstance(value, list) else value
