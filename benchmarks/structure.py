"""Backdoors in the graph: how many are found and proven, and how many clean programs are accused.

    python -m benchmarks.structure attacks [--hosts cnn,vit] [--forms onnx,pt2] [--keep FOLDER]
    python -m benchmarks.structure clean FOLDER
    python -m benchmarks.structure catalogue [--forms pt2,onnx]

``attacks`` makes every construction of `triggerfish.zoo.graphs` on every host in every form and
analyses the files. ``catalogue`` does the same with networks of our catalogue, untrained; ``clean``
analyses program files that somebody else has made, whose names end in ``_SIDE_FORM``. A line of
``results/structure.jsonl`` is one program: what was found, with what proof, in what time.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.common import RESULTS
from triggerfish.architectures import ARCHITECTURES
from triggerfish.errors import TriggerfishError
from triggerfish.structure.analyse import analyse_graph
from triggerfish.structure.findings import Structure
from triggerfish.structure.readers import read_graph
from triggerfish.zoo.graphs import CONSTRUCTIONS, EXPORTS, HOSTS, build, export
from triggerfish.zoo.graphs.exporting import SUFFIXES, export_network

FILE = RESULTS / "structure.jsonl"
Row = dict[str, Any]
_LARGEST = 64 << 20  # bytes of weights: larger catalogue networks only take time
_SIDE = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("attacks", "catalogue", "clean"))
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--hosts", default=",".join(HOSTS))
    parser.add_argument("--forms", default=",".join(EXPORTS))
    parser.add_argument("--keep", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    known = {row["program"] for row in rows()}
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        makers = {
            "attacks": lambda: attacks(
                folder, arguments.hosts.split(","), arguments.forms.split(","), known
            ),
            "catalogue": lambda: catalogue(folder, arguments.forms.split(","), known),
            "clean": lambda: clean(arguments.folder, known),
        }
        for row in makers[arguments.what]():
            with FILE.open("a") as out:
                out.write(json.dumps(row, sort_keys=True) + "\n")
    print(summary(rows()))


def rows() -> list[Row]:
    """All rows so far."""
    return [json.loads(line) for line in FILE.read_text().splitlines()] if FILE.is_file() else []


def attacks(
    folder: Path, hosts: Sequence[str], forms: Sequence[str], known: set[str]
) -> Iterator[Row]:
    """Every construction on every host in every form."""
    for host in hosts:
        for number, construction in enumerate(CONSTRUCTIONS):
            for form in forms:
                program = f"{host} {construction} {form}"
                if program in known:
                    continue
                attacked = build(construction, host, target=(3 * number + 1) % 10, seed=number)
                path = folder / f"{host}_{construction}_{form}{SUFFIXES[form]}"
                try:
                    if not path.is_file():
                        export(attacked, form, path)
                except Exception as error:  # what an exporter cannot write is no program
                    yield {"program": program, "kind": "attack", "exported": type(error).__name__}
                    continue
                shape = attacked.input_shape
                yield {
                    "program": program,
                    "kind": "attack",
                    "target": attacked.target,
                    **analysed(path, shape),
                }


def catalogue(folder: Path, forms: Sequence[str], known: set[str]) -> Iterator[Row]:
    """Networks of our catalogue with random weights."""
    for name, entry in ARCHITECTURES.items():
        task = entry.tasks[0] if entry.tasks else None
        classes, channels = (task.num_classes, task.input_shape[0]) if task else (10, 3)
        shape = (channels, *(min(n, _SIDE) for n in task.input_shape[1:])) if task else (3, 32, 32)
        for form in forms:
            program = f"catalogue {name} {form}"
            if program in known:
                continue
            torch.manual_seed(0)
            path = folder / f"{name}{SUFFIXES[form]}"
            try:
                network = entry(classes, channels).eval()
                if sum(p.numel() * 4 for p in network.parameters()) > _LARGEST:
                    continue
                export_network(network, torch.rand(2, *shape), form, path)
            except Exception as error:
                yield {"program": program, "kind": "clean", "exported": type(error).__name__}
                continue
            yield {"program": program, "kind": "clean", **analysed(path, shape)}
            path.unlink()


def clean(folder: Path, known: set[str]) -> Iterator[Row]:
    """Files that somebody else has made; the side of their images stands in their names."""
    for path in sorted(folder.iterdir()):
        side = path.stem.split("_")[-2]
        if path.stem not in known and side.isdigit():
            shape = (3, int(side), int(side))
            yield {"program": path.stem, "kind": "clean", **analysed(path, shape)}


def analysed(path: Path, shape: Sequence[int]) -> Row:
    """One program file analysed in this process."""
    start = time.perf_counter()
    try:
        graph = read_graph(path)
        structure = analyse_graph(graph, (shape[0], shape[1], shape[2]))
    except TriggerfishError as error:
        return {"error": str(error)[:200]}
    return {**found(structure), "seconds": round(time.perf_counter() - start, 2)}


def found(structure: Structure) -> Row:
    """What a structure says, as plain data."""
    return {
        "nodes": structure.nodes,
        "unrun": len(structure.unrun),
        "findings": [
            {
                "kind": finding.kind,
                "target": finding.target,
                "text": finding.text,
                "flips": None if finding.proof is None else round(finding.proof.flips, 3),
                "pixels": None if finding.proof is None else int(finding.proof.mask.sum()),
                "fitted": finding.proof is not None and finding.proof.fitted,
            }
            for finding in structure.findings
        ],
    }


def summary(all_rows: Sequence[Mapping[str, Any]]) -> str:
    """The counts in a few lines."""
    made = [row for row in all_rows if "exported" not in row]
    attacked = [row for row in made if row["kind"] == "attack"]
    safe = [row for row in made if row["kind"] == "clean"]
    right = [r for r in attacked if any(f["target"] == r["target"] for f in r.get("findings", ()))]
    proven = [r for r in right if any(f["flips"] is not None for f in r["findings"])]
    silent = [r for r in attacked if not r.get("findings") and "error" not in r]
    accused = Counter(bool(row.get("findings")) for row in safe)
    return (
        f"{len(attacked)} attacked programs: {len(right)} with the right class, {len(proven)} with "
        f"a proof, {len(silent)} silent\n{len(safe)} clean programs: {accused[True]} suspicious, "
        f"{sum('error' in row for row in safe)} not read"
    )


if __name__ == "__main__":
    main()
