"""The outline of a protocol buffer: which fields a message has, without a schema."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

MAX_FIELDS = 256
_SHOWN = 512  # bytes of a field that are kept
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True)
class Field:
    """One field of a message: its ``number``; its ``value``, or the first bytes of its ``data``."""

    number: int
    value: int | None = None
    data: bytes = b""


def file_outline(path: Path) -> tuple[Field, ...]:
    """The first fields of the message that a file is; none where it is no message."""
    try:
        with path.open("rb") as stream:
            return tuple(_fields(stream, path.stat().st_size))
    except OSError:
        return ()


def outline(data: bytes) -> tuple[Field, ...]:
    """The fields of a message of which ``data`` is the beginning; none where it is no message."""
    return tuple(_fields(io.BytesIO(data), None))


def _fields(stream: BinaryIO, size: int | None) -> Iterator[Field]:
    """Fields to the end, the first that makes no sense, or `MAX_FIELDS`.

    ``size`` is the whole message's; None where only its beginning is at hand.
    """
    for _ in range(MAX_FIELDS):
        tag = _varint(stream)
        if tag is None or not 0 < tag >> 3 < 1 << 16:
            return
        number, kind = tag >> 3, tag & 7
        if kind in (_FIXED64, _FIXED32):
            stream.seek(8 if kind == _FIXED64 else 4, io.SEEK_CUR)
            yield Field(number)
            continue
        value = _varint(stream)
        if value is None or kind not in (_VARINT, _BYTES):
            return
        if kind == _VARINT:
            yield Field(number, value)
            continue
        start = stream.tell()
        if size is not None and start + value > size:
            return
        yield Field(number, data=stream.read(min(value, _SHOWN)))
        stream.seek(start + value)


def _varint(stream: BinaryIO) -> int | None:
    value = 0
    for shift in range(0, 64, 7):
        byte = stream.read(1)
        if not byte:
            return None
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    return None
