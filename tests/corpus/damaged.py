"""Valid files of each format, cut short or overwritten where their structure is."""

import random
from collections.abc import Iterator
from pathlib import Path

from corpus.valid import by_format, place


def make(folder: Path, canary: str) -> Iterator[Path]:
    for suffix, data in by_format().items():
        for cut in (1, 9, len(data) // 10, len(data) // 2, len(data) - 40, len(data) - 1):
            yield place(folder, f"cut-{cut}{suffix}", data[:cut])
        for name, spoiled in {
            "magic": b"\0\1\2\3\4\5\6\7" + data[8:],
            "reversed": data[::-1],
            "zeroed": data[:32] + b"\0" * (len(data) - 32),
            "noise": data[:16] + random.Random(0).randbytes(len(data)),
            "ones": b"\xff" * len(data),
        }.items():
            yield place(folder, f"{name}{suffix}", spoiled)
