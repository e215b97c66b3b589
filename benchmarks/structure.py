"""Backdoors in the graph: how many are found and proven, and how many clean programs are accused.

    python -m benchmarks.structure attacks [--hosts cnn,vit] [--forms onnx,pt2] [--keep FOLDER]
    python -m benchmarks.structure clean FOLDER
    python -m benchmarks.structure catalogue [--forms pt2,onnx]
    python -m benchmarks.structure cost

``attacks`` makes every construction of `triggerfish.zoo.graphs` on every host in every form and
analyses the files. ``catalogue`` does the same with networks of our catalogue, untrained; ``clean``
analyses program files that somebody else has made, whose names end in ``_SIDE_FORM``, as
``benchmarks/export_programs.py`` writes them. ``cost`` is the processor time for an EfficientNet-B0
and for a vision transformer of more than 10,000 nodes. A line of ``results/structure.jsonl`` is one
program: what was found, with what proof, in what time.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.common import RESULTS
from triggerfish.architectures import ARCHITECTURES
from triggerfish.architectures.vision_transformer import VisionTransformer
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
_DEPTH = 150  # layers of a transformer with more than 10,000 nodes as ONNX


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("attacks", "catalogue", "clean", "cost"))
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
            "cost": lambda: cost(folder, known),
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
                try:
                    attacked = build(construction, host, target=(3 * number + 1) % 10, seed=number)
                except AssertionError:  # a patch of the first layer is larger than the trigger
                    yield {"program": program, "kind": "attack", "exported": "does not work"}
                    continue
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


def cost(folder: Path, known: set[str]) -> Iterator[Row]:
    """Large graphs with narrow layers: what they cost grows with their nodes."""
    made: Mapping[str, tuple[Callable[[], nn.Module], Sequence[int]]] = {
        "cost efficientnet-b0": (
            partial(ARCHITECTURES["torchvision_efficientnet_b0"], 10, 3),
            (3, 224, 224),
        ),
        "cost vision transformer": (
            partial(
                VisionTransformer, 10, 3, size=224, patch=32, width=32, layers=_DEPTH, heads=2,
                hidden=32,
            ),
            (3, 224, 224),
        ),
    }  # fmt: skip
    for name, (make, shape) in made.items():
        for form in ("onnx", "pt2"):
            program = f"{name} {form}"
            if program in known:
                continue
            path = folder / f"cost{SUFFIXES[form]}"
            export_network(make().eval(), torch.rand(2, *shape), form, path)
            yield {"program": program, "kind": "cost", **analysed(path, shape)}
            path.unlink()


def analysed(path: Path, shape: Sequence[int]) -> Row:
    """One program file analysed in this process."""
    start = time.process_time()
    try:
        graph = read_graph(path)
        structure = analyse_graph(graph, (shape[0], shape[1], shape[2]))
    except TriggerfishError as error:
        return {"error": str(error)[:200]}
    return {**found(structure), "seconds": round(time.process_time() - start, 2)}


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
                "flips": None if finding.proof is None else round(finding.proof.success_rate, 3),
                "pixels": None if finding.proof is None else int(finding.proof.mask[0].sum()),
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
