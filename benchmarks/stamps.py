"""Plain stamps on networks of other people: how many clean ones have one that works.

    python -m benchmarks.stamps FOLDER [--most 40]

``FOLDER`` is as `benchmarks.corpus` has it. A line of ``results/stamps.jsonl`` is one network with
its hits: the class, the part of fresh images that the stamp sends there, and its control's part.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.common import RESULTS
from benchmarks.corpus import Record, classifier_of, records
from triggerfish.levels import STAMPS, level_of
from triggerfish.stages.stamps import stamps_on

FILE = RESULTS / "stamps.jsonl"
Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--most", type=int, default=40, help="networks of each kind")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    known = {row["id"] for row in rows()}
    for record in chosen(arguments.folder, arguments.most):
        if record["id"] not in known:
            with FILE.open("a") as out:
                out.write(json.dumps(measured(arguments.folder, record), sort_keys=True) + "\n")
    print(summary(rows()))


def rows() -> list[Row]:
    """All rows so far."""
    return [json.loads(line) for line in FILE.read_text().splitlines()] if FILE.is_file() else []


def chosen(folder: Path, most: int) -> Iterator[Record]:
    """As many clean and attacked networks, evenly over the manifest."""
    every = [record for split in ("develop", "report") for record in records(folder, split)]
    for attacked in (False, True):
        kind = [r for r in every if r["attacked"] is attacked and r.get("since") is None]
        count = min(most, len(kind))
        yield from (kind[i * len(kind) // count] for i in range(count))


def measured(folder: Path, record: Record) -> Row:
    """One network looked at."""
    classifier = classifier_of(folder, record)
    start = time.process_time()
    hits = stamps_on(classifier, seed=0)
    return {
        "id": record["id"],
        "attacked": record["attacked"],
        "attack": record.get("attack"),
        "targets": record.get("targets"),
        "hits": [
            {
                "target": hit.target,
                "flips": round(hit.success_rate, 3),
                "control": round(hit.control, 3),
                "pixels": int(hit.mask[0].sum()),
            }
            for hit in hits
        ],
        "seconds": round(time.process_time() - start, 2),
    }


def summary(all_rows: Sequence[Mapping[str, Any]]) -> str:
    """The counts in a few lines."""
    lines = []
    for attacked in (False, True):
        kind = [row for row in all_rows if row["attacked"] is attacked]
        hit = [row for row in kind if row["hits"]]
        flagged = [row for row in kind if _flagged(row)]
        right = [row for row in flagged if _flagged(row) <= _targets(row)]
        name = "attacked" if attacked else "clean"
        lines.append(
            f"{len(kind)} {name} networks: {len(hit)} with a stamp that works, {len(flagged)} "
            "flagged" + (f", {len(right)} of them towards true targets alone" if attacked else "")
        )
    return "\n".join(lines)


def _flagged(row: Mapping[str, Any]) -> set[int]:
    level = level_of(STAMPS, "stamp", "fixed")
    assert level is not None
    return {h["target"] for h in row["hits"] if h["flips"] - h["control"] > level.flag_at}


def _targets(row: Mapping[str, Any]) -> set[int]:
    found = row["targets"]
    return set(found if isinstance(found, list) else [] if found is None else [found])


if __name__ == "__main__":
    main()
