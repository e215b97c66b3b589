"""How far scores of ways out still rise while they are searched: what `RISES` rests on.

    python -m benchmarks.ways_out FOLDER [--id ID ...]

FOLDER is described in corpus.py; the code in it is run. Each network's default scan goes on to the
end of every search out of classes. Of each search whose best score ends above `NEAR` the suspicious
level, results/ways_out.json has by how much that score rose after each rung. Without ids: the
networks of source-specific and all-to-all attacks.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import click
import torch
from torch import Tensor

from benchmarks.common import record as record_rows
from benchmarks.common import recorded
from benchmarks.corpus import classifier_of, records
from benchmarks.markdown import markdown
from triggerfish.levels import UNTARGETED_TEST, level_of
from triggerfish.results import HypothesisKind
from triggerfish.runtime import keep_freed_memory
from triggerfish.scanning import ScanConfig, scan_classifier
from triggerfish.search.race import MayCount
from triggerfish.search.universal import UniversalPerturbations, search_universal
from triggerfish.stages import untargeted

NEAR, ENDED = -0.4, -1
KINDS = ("source-specific", "all-to-all")
Seen = dict[str, list[list[float]]]


def watching(seen: Seen) -> Callable[[HypothesisKind, Callable[[Tensor], Tensor]], MayCount]:
    """In place of the stage's own: all goes on, and the scores at each rung are kept."""

    def worth_it(kind: HypothesisKind, scores: Callable[[Tensor], Tensor]) -> MayCount:
        rungs = seen.setdefault(kind, [])

        def may_count(log_size: Tensor, rung: int) -> Tensor:
            rungs.append(scores(log_size.cpu().exp()).nan_to_num(-torch.inf).tolist())
            return torch.ones_like(log_size).bool()

        return may_count

    return worth_it


def to_the_end(*args: object, may_count: MayCount, **settings: object) -> UniversalPerturbations:
    """The search, and one more look at what it ends with."""
    found = search_universal(*args, may_count=may_count, **settings)  # type: ignore[arg-type]
    may_count(found.size.log(), ENDED)
    return found


def rises(rungs: list[list[float]], kind: HypothesisKind) -> list[float] | None:
    """By how much the best score rose after each rung, None where the last one is far from it."""
    level = level_of(UNTARGETED_TEST, kind, "outliers")
    assert level is not None
    assert level.suspect_at is not None
    last = max(rungs[-1])
    if not last > level.suspect_at + NEAR:
        return None
    return [round(last - max(scores), 3) for scores in rungs[:-1]]


def table() -> str:
    """What was measured, for the docs."""
    rows = [
        (name, kind, *(f"{rise:.2f}" for rise in rungs))
        for name, kinds in recorded("ways_out").get("rises", {}).items()
        for kind, rungs in sorted(kinds.items())
        if rungs is not None
    ]
    header = ("network", "way out", *(f"rise after rung {n}" for n in range(1, 6)))
    return markdown(header, rows)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--id", "ids", multiple=True, help="These networks alone.")
def main(folder: Path, ids: tuple[str, ...]) -> None:
    """Scan each network; what is measured already stays, unless measured again."""
    torch.set_num_threads(1)
    keep_freed_memory()
    chosen = [
        one
        for split in ("develop", "report")
        for one in records(folder, split)
        if (one["id"] in ids if ids else one.get("attack") in KINDS)
    ]
    for one in chosen:
        seen: Seen = {}
        with (
            patch.object(untargeted, "search_universal", to_the_end),
            patch.object(untargeted, "_worth_it", watching(seen)),
        ):
            scan_classifier(classifier_of(folder, one), ScanConfig())
        found = recorded("ways_out").get("rises", {})
        found[one["id"]] = {kind: rises(r, kind) for kind, r in seen.items() if r}  # type: ignore[arg-type]
        record_rows("ways_out", "rises", found)
        click.echo(f"{one['id']}: {found[one['id']]}")


if __name__ == "__main__":
    main()
