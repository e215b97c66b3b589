"""Networks of other people: a folder with a manifest, and the code that opens them.

``manifest.jsonl`` has a record a line: ``id``, ``split``, ``data``, ``attacked``, ``input_shape``,
``head``, and of attacked ones ``attack``, ``trigger``, ``targets``, ``success``. ``networks.py``
has ``load(record)``, a module on images in [0, 1], and ``stamp(record, images)``. That code is run.
"""

from __future__ import annotations

import importlib.util
import json
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from triggerfish.model.classifier import Classifier

Record = dict[str, Any]


def records(folder: Path, split: str) -> list[Record]:
    """What the manifest says of the networks of one split."""
    lines = (folder / "manifest.jsonl").read_text("utf-8").splitlines()
    found: list[Record] = [json.loads(line) for line in lines if line.strip()]
    return [record for record in found if record["split"] == split]


def classifier_of(folder: Path, record: Record) -> Classifier:
    """The network of a record, with the normalization that it was trained with inside."""
    return Classifier(
        code(folder).load(record),
        record["input_shape"],
        output=record["head"],
        num_classes=record["num_classes"],
        name=record["id"],
    )


@lru_cache(maxsize=2)
def code(folder: Path) -> ModuleType:
    """The folder's ``networks.py``."""
    path = folder / "networks.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise click.UsageError(f"expected Python code in {path}, got none")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
