"""A Keras config that names code: Lambda layers, and functions of any module by their names.

Keras's own reader imports and calls what a config names (CVE-2024-3660, CVE-2025-1550). We never
do; we list it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from triggerfish.errors import CheckpointError, DangerousFileError

_OWN = ("keras", "tf_keras", "tensorflow", "tensorflow.keras", "tensorflow.python.keras")


def parse_config(text: str | bytes, place: str) -> dict[str, Any]:
    """A config as data; raises `CheckpointError` for what is none, and for one with code in it."""
    try:
        config = json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise CheckpointError(
            f"expected JSON as the Keras config in {place}, got: {str(error)[:200]}"
        ) from error
    if not isinstance(config, dict):
        raise CheckpointError(f"expected a Keras config in {place}, got {type(config).__name__}")
    names = tuple(dict.fromkeys(name for item in _objects(config) for name in _code(item)))
    if names:
        raise DangerousFileError(
            f"expected a Keras model of layers, got code in its config: {', '.join(names[:5])}"
            f"{', ...' if len(names) > 5 else ''}; Keras would run it: rebuild the model from its "
            "weights without it",
            names,
        )
    return config


def _objects(config: object) -> Iterator[Mapping[str, Any]]:
    """Every object in a config, however deep, without recursion."""
    left = [config]
    while left:
        item = left.pop()
        if isinstance(item, Mapping):
            yield item
            left += reversed(list(item.values()))
        elif isinstance(item, list):
            left += reversed(item)


def _code(item: Mapping[str, Any]) -> Iterator[str]:
    """What Keras would import or run for one object."""
    kind, module = item.get("class_name"), item.get("module")
    if kind in ("Lambda", "__lambda__"):
        inner = item.get("config")
        name = inner.get("name", "") if isinstance(inner, Mapping) else ""
        yield f"keras.layers.Lambda {name}".strip() if kind == "Lambda" else "marshalled code"
    elif isinstance(module, str) and isinstance(kind, str) and not _is_inert(module, kind):
        yield f"{module}.{item['config'] if isinstance(item.get('config'), str) else kind}"


def _is_inert(module: str, kind: str) -> bool:
    """Keras's own classes, and functions that the reader of the file must have registered."""
    own = any(module == name or module.startswith(f"{name}.") for name in _OWN)
    return own or (module == "builtins" and kind == "function")
