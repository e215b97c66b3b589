"""A gate for a pipeline: scan a folder of models and decide by rules of your own.

    python examples/gate.py MODELS... [--out RUN] [--jobs N]

`triggerfish scan` is a gate already, by its exit code. This one shows how to decide otherwise: a
model that was flagged, or that would run code, is rejected; one without an answer is held, with the
command that may give one; the others are admitted. It exits with 0 when all are admitted, with 1
when one is not, with 2 when there is nothing to scan.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import triggerfish as tf
from triggerfish.reports.summary import outcome

Action = Literal["admit", "hold", "reject"]

RULES: dict[str, Action] = {
    "clean": "admit",
    "accepted": "admit",  # listed by you, see docs/automation.md
    "inconclusive": "hold",
    "skipped": "hold",
    "backdoored": "reject",
    "dangerous": "reject",
}


@dataclass(frozen=True)
class Decision:
    """What is done with one model, and why."""

    path: Path | None
    action: Action
    because: str


def decisions(
    models: Sequence[Path], config: tf.ScanConfig, out: Path | None, jobs: int
) -> Iterator[Decision]:
    """Scan; one decision per model, as soon as it is made."""
    for result in tf.scan_files(models, config, out=out, jobs=jobs):
        found = outcome(result)
        reasons = result.verdict.reasons if isinstance(result, tf.Scanned) else result.reasons
        next_steps = [reason.command or reason.text for reason in reasons]
        yield Decision(result.path, RULES[found], "; ".join([found, *next_steps[:1]]))


def main() -> int:
    """Scan, decide, print; returns the exit code."""
    parser = argparse.ArgumentParser(description="Admit, hold or reject models.")
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, help="run folder, to go on where a scan ended")
    parser.add_argument("--jobs", type=int, default=1, help="models scanned at a time")
    parser.add_argument("--fast", action="store_true", help="for triage: fewer searches")
    given = parser.parse_args()
    config = tf.ScanConfig(tf.Ensemble(fast=given.fast))
    worst = 0
    try:
        for decision in decisions(given.models, config, given.out, given.jobs):
            print(f"{decision.action:<7} {decision.path}: {decision.because}", flush=True)
            worst = max(worst, int(decision.action != "admit"))
    except tf.TriggerfishError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return worst


if __name__ == "__main__":
    sys.exit(main())
