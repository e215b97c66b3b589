"""What the first pass over many classes loses: where it ranks the true target.

    python -m benchmarks.screening ZOO_FOLDER...

With more than 200 classes only the first 32 of the ranking, and a sample, are searched in full. The
zoos have ten classes, so this asks for more than is needed: is the target the very first?
"""

from __future__ import annotations

from pathlib import Path

import click
import torch

from benchmarks.common import record, timed
from triggerfish.detectors.min_norm import MinNorm
from triggerfish.loading import load_classifier
from triggerfish.search.screening import Screening, first_pass_cost
from triggerfish.zoo.manifest import read_manifest


@click.command()
@click.argument("zoos", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
def main(zoos: tuple[Path, ...]) -> None:
    """Rank the classes of every attacked model."""
    torch.set_num_threads(1)
    ranks, first_seconds, full_seconds = [], 0.0, 0.0
    for zoo in zoos:
        for file, entry in read_manifest(zoo).items():
            if not entry.targets:
                continue
            model = load_classifier(zoo / file)
            took, cost = timed(lambda m=model: first_pass_cost(m, Screening(), 9.21, 512))  # type: ignore[misc]
            ranks.append(int(cost.argsort().tolist().index(entry.targets[0])))
            first_seconds += took
            if len(ranks) <= 5:
                full_seconds += timed(lambda m=model: MinNorm()(m))[0]  # type: ignore[misc]
    result = {
        "models": len(ranks),
        "target_first": ranks.count(0),
        "worst_rank": max(ranks),
        "share_of_full_time": (first_seconds / len(ranks)) / (full_seconds / min(5, len(ranks))),
    }
    record("screening", "published zoos", result)
    click.echo(str(result))


if __name__ == "__main__":
    main()
