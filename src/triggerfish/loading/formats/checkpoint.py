"""Files of ``torch.save``, new and from before 1.6: state dicts wherever they are, modules."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from triggerfish.errors import DangerousFileError
from triggerfish.loading.class_names import class_names
from triggerfish.loading.contents import Contents, Format
from triggerfish.loading.formats.backdoorbench import attack_result_hints, is_attack_result
from triggerfish.loading.formats.pickled_module import read_pickled_module
from triggerfish.loading.guards.torch_file import ZIP_MAGIC, unpickled
from triggerfish.loading.hints import Hints, LoadOptions
from triggerfish.loading.weights.containers import parts_of

NAME = "PyTorch checkpoint"


def _matches(_path: Path, head: bytes) -> bool:
    return head.startswith((ZIP_MAGIC, b"\x80"))


def _read(path: Path, head: bytes, options: LoadOptions) -> Contents:
    return read_pickled(path, head, options, NAME)


def read_pickled(path: Path, head: bytes, options: LoadOptions, name: str) -> Contents:
    """All state dicts in a pickled file; with ``unsafe_pickle`` a whole module as it runs."""
    try:
        with unpickled(path, head) as found:
            parts, asides = parts_of(found.data)
            data, unknown = found.data, found.unknown
    except DangerousFileError:
        if not options.unsafe_pickle:
            raise
        return read_pickled_module(path, options)
    if options.unsafe_pickle and any(part.modules for part in parts):
        return read_pickled_module(path, options)
    hints = attack_result_hints(data) if is_attack_result(data) else _hints(data, name)
    return Contents(hints, state=parts[0].state, parts=parts, asides=asides, unknown=unknown)


def _hints(data: object, name: str) -> Hints:
    """What lies beside the weights in a wrapped checkpoint."""
    return Hints(name, class_names=class_names(data) if isinstance(data, Mapping) else None)


FORMAT = Format(NAME, _matches, _read)
