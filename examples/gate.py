"""A gate for a pipeline: scan a folder of models, read the results, decide by rules of your own.

    python examples/gate.py MODELS [OPTIONS OF triggerfish scan]

`triggerfish scan` is a gate already, by its exit code. This one shows how to decide otherwise: a
model that was flagged, or that would run code, is rejected; one without an answer is held, with the
command that may give one; the others are admitted. It exits with 0 when all are admitted, with 1
when one is not, with 2 when nothing was scanned.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

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

    path: str
    action: Action
    because: str


def decisions(options: Sequence[str]) -> Iterator[Decision]:
    """Scan with the options of ``triggerfish scan``; one decision per model."""
    command = [sys.executable, "-m", "triggerfish", "scan", "--format", "jsonl", *options]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    for line in run.stdout.splitlines():
        result = json.loads(line)  # `triggerfish report --schema` says what is in it
        next_steps = [reason["command"] or reason["text"] for reason in result["reasons"]]
        yield Decision(
            path=result["path"],
            action=RULES[result["outcome"]],
            because="; ".join([result["outcome"], *next_steps[:1]]),
        )


def main(options: Sequence[str]) -> int:
    """Scan, decide, print; returns the exit code."""
    found = list(decisions(options))
    for decision in found:
        print(f"{decision.action:<7} {decision.path}: {decision.because}")
    if not found:
        return 2
    return 0 if all(decision.action == "admit" for decision in found) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
