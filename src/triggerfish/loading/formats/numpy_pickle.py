"""Plain pickles (``pickle.dump``): arrays or tensors by name, nested, or in a package's objects."""

from __future__ import annotations

import io
from pathlib import Path

from triggerfish.errors import CheckpointError
from triggerfish.loading.contents import Contents, Format
from triggerfish.loading.formats.checkpoint import read_pickled
from triggerfish.loading.guards.pickle_scan import MAX_PICKLE_BYTES, scan_pickle
from triggerfish.loading.guards.torch_file import LEGACY_MAGIC
from triggerfish.loading.hints import LoadOptions

NAME = "plain pickle"
_OLD_STARTS = b"c(}]di"  # how protocols 0 and 1 begin


def _matches(_path: Path, head: bytes) -> bool:
    if head.startswith(b"\x80"):
        return not head.startswith(LEGACY_MAGIC)
    return head[:1] in (bytes([byte]) for byte in _OLD_STARTS) and bool(
        scan_pickle(io.BytesIO(head)).names
    )


def _read(path: Path, head: bytes, options: LoadOptions) -> Contents:
    if path.stat().st_size > MAX_PICKLE_BYTES:
        raise CheckpointError(
            f"expected a plain pickle of at most {MAX_PICKLE_BYTES >> 20} MiB, got a larger one: "
            "save the state dict with torch.save or safetensors"
        )
    return read_pickled(path, head, options, NAME)


FORMAT = Format(NAME, _matches, _read)
