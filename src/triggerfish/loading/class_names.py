"""What the classes are called, from what a file carries beside its weights."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

UNNAMED = re.compile(r"LABEL_\d+")
"""What transformers writes where nobody has named the classes."""
LONGEST = 200  # characters; more is no name

Names = tuple[str, ...]


def class_names(data: Mapping[str, object]) -> Names | None:
    """The names in their order, by the keys that are usual for them; None where there are none.

    ``id2label`` is that of Hugging Face, ``label_names`` timm's, ``class_to_idx`` that of
    torchvision's image folders.
    Whatever is no complete list of texts is left alone: it is not ours to judge.
    """
    for key, read in _KEYS.items():
        names = read(data.get(key))
        if names and not all(map(UNNAMED.fullmatch, names)):
            return names
    return None


def _listed(value: object) -> Names | None:
    if not isinstance(value, Sequence) or isinstance(value, str):
        return None
    names = tuple(item for item in value if isinstance(item, str) and len(item) <= LONGEST)
    return names if len(names) == len(value) else None


def _by_number(value: object) -> Names | None:
    """Of ``{0: "cat", "1": "dog"}``."""
    if not isinstance(value, Mapping):
        return None
    found = {str(key): name for key, name in value.items()}
    return _listed([found.get(str(number)) for number in range(len(found))])


def _by_name(value: object) -> Names | None:
    """Of ``{"cat": 0, "dog": 1}``."""
    if not isinstance(value, Mapping):
        return None
    numbered = value.items()
    return _by_number({number: name for name, number in numbered if isinstance(number, int)})


_KEYS: dict[str, Callable[[object], Names | None]] = {
    "class_names": _listed,
    "classes": _listed,
    "label_names": _listed,
    "id2label": _by_number,
    "idx_to_class": _by_number,
    "class_to_idx": _by_name,
}
