"""``--from``: a list of models in CSV, JSON lines or plain lines, with options of their own."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

from triggerfish.errors import CheckpointError, one_line
from triggerfish.loading import LoadOptions
from triggerfish.loading.hints import Hints
from triggerfish.runs.model import Source


def _numbers(kind: type[int] | type[float], count: int | None = None) -> Callable[[Any], Any]:
    def convert(value: Any) -> tuple[int | float, ...]:  # noqa: ANN401
        parts = value.replace("x", ",").split(",") if isinstance(value, str) else value
        numbers = tuple(kind(part) for part in (parts if isinstance(parts, list) else [parts]))
        if count is not None and len(numbers) != count:
            raise ValueError(f"{count} numbers")
        return numbers

    return convert


def _flag(value: Any) -> bool:  # noqa: ANN401
    return bool({"true": True, "false": False}[str(value).lower()])


COLUMNS: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "arch": ("architecture", str),
    "input_shape": ("input_shape", _numbers(int, 3)),
    "mean": ("mean", _numbers(float)),
    "std": ("std", _numbers(float)),
    "input_range": ("input_range", _numbers(float, 2)),
    "channels_last": ("channels_last", _flag),
    "num_classes": ("num_classes", int),
    "output_kind": ("output", str),
    "state_key": ("state_key", str),
}
"""Column or key -> field of `Hints` and how to read it: the loading options, with underscores."""


def read_list(file: TextIO, name: str, folder: Path, options: LoadOptions) -> Iterator[Source]:
    """The sources that a list names; what it does not say is as in ``options``.

    ``name`` decides the format: ``.csv`` with a header, else a line for each model, a JSON object
    or a plain path. Paths are relative to ``folder``.

    Raises:
        CheckpointError: a line that is none of it.
    """
    rows = _csv_rows(file) if name.endswith(".csv") else _lines(file)
    number = 0
    try:
        for line, row in rows:
            number = line
            yield _source(row, folder, options)
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise CheckpointError(
            f"expected a path with {', '.join(COLUMNS)} in line {number or 1} of {name}, "
            f"got {type(error).__name__}: {one_line(error)}"
        ) from error


def _csv_rows(file: Iterable[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(file)
    for row in reader:
        yield reader.line_num, {key: value for key, value in row.items() if value not in (None, "")}


def _lines(file: Iterable[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(file, 1):
        text = line.rstrip("\n")
        if text.lstrip().startswith("{"):
            yield number, json.loads(text)
        elif text:
            yield number, {"path": text}


def _source(row: dict[str, Any], folder: Path, options: LoadOptions) -> Source:
    values = dict(row)
    path = Path(values.pop("path"))
    hints: dict[str, Any] = {}
    for name, value in values.items():
        field, convert = COLUMNS[name.replace("-", "_")]
        hints[field] = convert(value)
    given: Hints = replace(options.given, **hints)
    return Source(folder / path, replace(options, given=given))
