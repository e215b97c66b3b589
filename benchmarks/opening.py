"""What becomes of the networks of strangers when they are opened with nothing but their path.

    python -m benchmarks.opening FOLDER --split develop [--again]

FOLDER holds ``manifest.jsonl`` (a line a network: ``id``, ``split``, ``file``, ``attacked``, true
``mean`` and ``std``) and ``networks.py`` (``build(record)`` makes the true network), which is
imported: only for a folder that you trust. Each original is opened; its readings are compared with
the true function on random images, up to a constant a row:

- *right*: one reading, the true one;
- *asked*: several, the true one among them: a verdict where two thirds of their weight agree;
- *near*: as these, but the true mean and std are off by up to a tenth of the range;
- *wrong*: the true function is not among the readings;
- *not opened*: an error, which names the next command.

With ``--scan`` each file is scanned too: ``ambiguous-architecture`` and ``preprocessing-matters``
among the ``codes`` are readings that disagree.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.common import record, recorded
from triggerfish.ambiguity import scan_readings
from triggerfish.api import scan
from triggerfish.errors import TriggerfishError
from triggerfish.loading import Reading, open_readings
from triggerfish.loading.contents import Contents
from triggerfish.loading.format import recognise
from triggerfish.loading.hints import LoadOptions

EXACT, NEAR = 0.01, 0.35
"""Largest difference of centred logits, relative to the largest: the weights may be rounded; and
what a tenth of the range in mean or std makes of them at most."""


def main() -> None:
    """Open every original of a split and write what became of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--split", default="develop")
    parser.add_argument("--scan", action="store_true", help="scan every reading, which takes hours")
    parser.add_argument("--skip", action="append", default=[], help="leave out this id")
    parser.add_argument("--again", action="store_true", help="also what has a result")
    arguments = parser.parse_args()
    networks = _networks(arguments.folder)
    name = arguments.split + (", scanned" if arguments.scan else "")
    rows = [] if arguments.again else recorded("opening").get(name, {}).get("rows", [])
    done = {row["id"] for row in rows} | set(arguments.skip)
    for about in networks.models(split=arguments.split, attacked=False):
        if about["id"] in done:
            continue
        rows.append(_row(arguments.folder, networks, about, arguments.scan))
        print(json.dumps(rows[-1]), flush=True)
        record("opening", name, {"counts": _counts(rows), "rows": rows})
    print(_counts(rows))


def _counts(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    return dict(Counter(row["outcome"] for row in rows))


def _networks(folder: Path) -> Any:  # noqa: ANN401 - a module
    spec = importlib.util.spec_from_file_location("strangers", folder / "networks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _row(
    folder: Path,
    networks: Any,  # noqa: ANN401
    about: Mapping[str, Any],
    scanned: bool,
) -> dict[str, object]:
    path = folder / about["file"]
    row: dict[str, object] = {"id": about["id"]}
    try:
        readings = open_readings(path)
    except TriggerfishError as error:
        return {**row, "outcome": "not opened", "error": str(error)}
    truth = _truth(path, networks, about)
    gaps = [_gap(reading, truth, about) for reading in readings]
    rank = min(range(len(gaps)), key=gaps.__getitem__)
    if scanned:
        verdict = scan_readings(readings, scan).verdict
        row |= {"verdict": verdict.name, "codes": [reason.code for reason in verdict.reasons]}
    return {
        **row,
        "outcome": _outcome(gaps),
        "readings": len(readings),
        "rank": rank,
        "gap": round(min(gaps), 4),
        "options": [reading.options for reading in readings],
    }


def _outcome(gaps: list[float]) -> str:
    best = min(gaps)
    if best > NEAR:
        return "wrong"
    near = "" if best <= EXACT else ", near"
    return ("right" if len(gaps) == 1 else "asked") + near


def _truth(path: Path, networks: Any, about: Mapping[str, Any]) -> nn.Module:  # noqa: ANN401
    """The true function, with the original's weights where the file has them by themselves."""
    truth: nn.Module = networks.load(about)
    kind, head = recognise(path)
    contents: Contents = kind.read(path, head, LoadOptions())
    if contents.state is not None:
        original = [v for k, v in contents.state.items() if not k.endswith("num_batches_tracked")]
        own = truth.network.state_dict()  # type: ignore[union-attr]
        keys = [key for key in own if not key.endswith("num_batches_tracked")]
        if [own[key].shape for key in keys] == [value.shape for value in original]:
            filled = dict(zip(keys, original, strict=True))
            truth.network.load_state_dict(filled, strict=False)  # type: ignore[union-attr]
    return truth.eval()


def _gap(reading: Reading, truth: nn.Module, about: Mapping[str, Any]) -> float:
    """Largest difference of the centred logits on random images, relative to the largest."""
    shape = tuple(about["input_shape"])
    if reading.classifier.input_shape != shape:
        return float("inf")
    images = torch.rand(16, *shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected, found = truth(images), reading.classifier.logits(images)
    if about["head"] == "softmax":  # probabilities that are 0 have no logarithm to compare
        return float((found.softmax(1) - expected).abs().max())
    found, expected = _centred(found), _centred(expected)
    return float((found - expected).abs().max() / expected.abs().max())


def _centred(logits: Tensor) -> Tensor:
    return logits - logits.mean(1, keepdim=True)


if __name__ == "__main__":
    main()
