"""References as JSON files: those that ship, and those that ``triggerfish calibrate`` writes."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import lru_cache
from importlib import resources
from pathlib import Path

from triggerfish.errors import CheckpointError
from triggerfish.references.population import Reference

SCHEMA_VERSION = 2
TABLES = frozenset({"answers", "scores"})
"""Fields that are tables of numbers; the first is left out where it is empty."""


@lru_cache(maxsize=1)
def shipped_references() -> tuple[Reference, ...]:
    """The references that come with the package; benchmarks make them (docs/method.md)."""
    folder = resources.files("triggerfish") / "data" / "references"
    return tuple(
        parse_reference(file.read_text("utf-8"), file.name)
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if file.name.endswith(".json")
    )


def read_reference(path: Path) -> Reference:
    """Read a reference that ``triggerfish calibrate`` wrote.

    Args:
        path: The file.

    Returns:
        The reference, for `scan` or `Judge`.

    Raises:
        CheckpointError: It cannot be read, or is something else.

    Example:
        >>> import triggerfish as tf
        >>> reference = tf.read_reference(Path("mine.json"))  # doctest: +SKIP
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(
            f"expected a reference file at {path}, got {type(error).__name__}: "
            "make one with triggerfish calibrate"
        ) from error
    return parse_reference(text, str(path))


def parse_reference(text: str, where: str) -> Reference:
    """A reference from its JSON text; ``where`` names it in errors."""
    try:
        data = json.loads(text)
        if data.pop("schema_version") != SCHEMA_VERSION:
            raise ValueError("another version of the format: calibrate again")
        for table in TABLES & set(data):
            data[table] = tuple(tuple(row) for row in data[table])
        return Reference(**data)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise CheckpointError(
            f"expected a reference (JSON of triggerfish calibrate) in {where}, got {error}"
        ) from error


def render_reference(reference: Reference) -> str:
    """The JSON text of a reference: one line per model, so that changes can be read."""
    data = {"schema_version": SCHEMA_VERSION, **asdict(reference)}
    tables = {name: data.pop(name) for name in sorted(TABLES)}
    head = json.dumps(data, indent=2)[:-2]
    rest = "".join(
        f',\n  "{name}": [\n    ' + ",\n    ".join(map(json.dumps, rows)) + "\n  ]"
        for name, rows in tables.items()
        if rows
    )
    return f"{head}{rest}\n}}\n"
