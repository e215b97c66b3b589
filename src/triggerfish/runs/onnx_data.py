"""Files that an ONNX graph takes its weights from: they change the model as the graph does."""

from __future__ import annotations

import mmap
import re
from pathlib import Path

# StringStringEntryProto: field 1 is the key "location", field 2 the value, after its length in
# one or two bytes (https://protobuf.dev/programming-guides/encoding).
_LOCATION = re.compile(rb"\x0a\x08location\x12([\x00-\x7f]|[\x80-\xff][\x00-\x7f])", re.DOTALL)


def files_beside(path: Path) -> list[Path]:
    """The files that a graph names as the places of its tensors; none for another format."""
    try:
        if path.suffix.lower() != ".onnx" or not path.is_file() or not path.stat().st_size:
            return []
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            names = {_value(data, match) for match in _LOCATION.finditer(data)}
    except OSError:
        return []  # what cannot be read has no hash either
    return sorted(path.parent / name for name in names if "\0" not in name)


def _value(data: mmap.mmap, match: re.Match[bytes]) -> str:
    length = sum((byte & 127) << (7 * i) for i, byte in enumerate(match.group(1)))
    return data[match.end() : match.end() + length].decode("utf-8", "replace")
