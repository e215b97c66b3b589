"""Model cards: a small TOML or JSON file beside a checkpoint that says what it cannot.

``model.pt`` is described by ``model.card.toml`` or ``model.card.json`` (or ``folder.card.toml``
for every model in the folder). Keys are the fields of `Hints`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import get_args

from triggerfish.architectures import ARCHITECTURES
from triggerfish.errors import CheckpointError, one_line
from triggerfish.loading.hints import Hints
from triggerfish.model.heads import OutputKind

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MAX_CARD_BYTES = 64 << 10
FOLDER_CARD = "folder.card.toml"
"""Serves all models of its folder that have no card of their own."""
_PROJECT = "triggerfish.toml"  # the options of a project; once a folder's model card


def card_paths(model: Path) -> tuple[Path, ...]:
    """Where a model's card may be, the most specific place first."""
    stem = model.with_suffix("") if model.suffix and not model.is_dir() else model
    return (
        stem.with_name(f"{stem.name}.card.toml"),
        stem.with_name(f"{stem.name}.card.json"),
        (model if model.is_dir() else model.parent) / FOLDER_CARD,
    )


def read_card(model: Path) -> Hints:
    """The card beside a model, or empty hints without one; raises `CheckpointError`."""
    places = card_paths(model)
    for path in places:
        if path.is_file():
            return parse_card(path)
    _refuse_old_name(places[-1].with_name(_PROJECT))
    return Hints("model card")


def _refuse_old_name(path: Path) -> None:
    """Raise where a project's file holds what a model card says: it would be ignored silently."""
    try:
        data = tomllib.loads(path.read_text("utf-8")) if path.is_file() else {}
    except (OSError, ValueError, RecursionError):
        return  # whoever reads the project's options says what is wrong with them
    if keys := sorted(set(data) & set(_FIELDS)):
        raise CheckpointError(
            f"{path} is for a project's options, and what it says of a model ({', '.join(keys)}) "
            f"belongs into a model card: move it to {path.with_name(FOLDER_CARD)}"
        )


def parse_card(path: Path) -> Hints:
    """Read one card file; raises `CheckpointError` with the first thing that is wrong in it."""
    try:
        if path.stat().st_size > MAX_CARD_BYTES:
            raise CheckpointError(f"{path} is larger than 64 KiB: no model card is")
        text = path.read_text("utf-8")
        data = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(
            f"{path} is no model card in TOML or JSON: {one_line(error)}"
        ) from error
    if not isinstance(data, Mapping):
        raise CheckpointError(f"{path} is a {type(data).__name__}: a model card is a table of keys")
    return read_fields(data, path, f"model card {path.name}")


def read_fields(data: Mapping[str, object], path: Path, source: str) -> Hints:
    """`Hints` from a table of their fields; raises `CheckpointError` for what is wrong in it."""
    values = {}
    for key, value in data.items():
        if key not in _FIELDS:
            raise CheckpointError(
                f"{path}: a model card has no key {key!r}. It has {', '.join(_FIELDS)}"
            )
        try:
            values[key] = _FIELDS[key](value)
        except (TypeError, ValueError) as error:
            raise CheckpointError(f"{path}: {key} is {error}, not {value!r}") from error
    _refuse_code(path, values)
    return Hints(source, **values)  # type: ignore[arg-type]


_HARMLESS = ("chain:", "timm:", "torchvision:")


def _refuse_code(path: Path, values: Mapping[str, object]) -> None:
    """A card travels with the checkpoint, so it may not name code, nor steer another library's."""
    name = str(values.get("architecture", ""))
    if name and name not in ARCHITECTURES and not name.startswith(_HARMLESS):
        raise CheckpointError(
            f"{path}: a card names a built-in, chain:, timm: or torchvision: architecture, "
            f"not {name!r}: pass code of your own with --arch"
        )
    if values.get("arch_args") and name not in ARCHITECTURES:
        raise CheckpointError(
            f"{path}: arch_args are for a built-in architecture, not for {name!r}: "
            "pass --arch and --arch-args"
        )


def write_card(known: Hints, guessed: Sequence[Hints] = ()) -> str:
    """A card in TOML with what is known; guesses and gaps are comments, to confirm and to fill in.

    ``guessed`` are the plausible readings of the model, the likeliest first.
    """
    lines = ["# Model card for triggerfish: how the network's input and output are made.", ""]
    for key, comment in _COMMENTS.items():
        value = getattr(known, key)
        lines.append(f"# {comment}")
        if value is not None:
            lines.append(f"{key} = {_toml(value)}")
            continue
        said = [getattr(hints, key) for hints in guessed]
        guesses = list(dict.fromkeys(_toml(guess) for guess in said if guess is not None))
        lines += [f"# {key} = {guess}  # a guess: uncomment if true" for guess in guesses]
        lines += [f"# {key} ="] if not guesses else []
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(k)} = {_toml(v)}" for k, v in value.items()) + " }"
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return json.dumps(value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a text")
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError("true or false")
    return value


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 1_000_000:
        raise TypeError("a positive whole number")
    return value


def _shape(value: object) -> tuple[int, ...]:
    if not isinstance(value, Sequence) or len(value) != 3:
        raise TypeError("three numbers [C, H, W]")
    return tuple(_count(item) for item in value)


def _numbers(value: object) -> tuple[float, ...]:
    items = value if isinstance(value, (list, tuple)) else [value]
    numbers = tuple(float(item) for item in items if isinstance(item, (int, float)))
    if not numbers or len(numbers) != len(items) or any(isinstance(i, bool) for i in items):
        raise TypeError("a number, or one a channel")
    return numbers


def _range(value: object) -> tuple[float, ...]:
    numbers = _numbers(value)
    if len(numbers) != 2 or numbers[0] >= numbers[1]:
        raise ValueError("two numbers [low, high]")
    return numbers


def _output(value: object) -> str:
    if value not in get_args(OutputKind):
        raise ValueError(f"one of {', '.join(get_args(OutputKind))}")
    return str(value)


def _names(value: object) -> tuple[str, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise TypeError("a list of texts")
    return tuple(_text(item) for item in value)


def _table(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise TypeError("a table of arguments")
    return dict(value)


_FIELDS: dict[str, Callable[[object], object]] = {
    "architecture": _text,
    "arch_args": _table,
    "input_shape": _shape,
    "mean": _numbers,
    "std": _numbers,
    "input_range": _range,
    "channels_last": _flag,
    "num_classes": _count,
    "output": _output,
    "class_names": _names,
}

FIELDS = frozenset(_FIELDS)

_COMMENTS = {
    "architecture": "a built-in name, chain:STEPS, timm:NAME or torchvision:NAME",
    "arch_args": "keyword arguments of the architecture",
    "input_shape": "[channels, height, width]",
    "mean": "subtracted, in units of input_range: one number, or one a channel",
    "std": "divided by, in the same unit",
    "input_range": "what [0, 1] is stretched to before: [0, 255] for networks fed raw bytes",
    "channels_last": "true when the network takes (N, H, W, C)",
    "num_classes": "how many classes the network tells apart",
    "output": "logits, log_softmax, softmax or sigmoid; recognised when left out",
    "class_names": "names of the classes, in their order",
}
