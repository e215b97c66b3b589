"""State dicts written by ``torch.save``: bare, wrapped, prefixed, pre-1.6, Lightning."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from triggerfish.errors import DangerousFileError
from triggerfish.loading.class_names import class_names
from triggerfish.loading.contents import Contents, Format
from triggerfish.loading.formats.backdoorbench import attack_result_hints, is_attack_result
from triggerfish.loading.formats.pickled_module import read_pickled_module
from triggerfish.loading.formats.pytorch import ZIP_MAGIC, load_pickled_data
from triggerfish.loading.hints import Hints, LoadOptions
from triggerfish.loading.weights.state_dict import find_state_dict

NAME = "PyTorch checkpoint"


def _matches(_path: Path, head: bytes) -> bool:
    return head.startswith((ZIP_MAGIC, b"\x80"))


def _read(path: Path, head: bytes, options: LoadOptions) -> Contents:
    try:
        data = load_pickled_data(path, head)
    except DangerousFileError:
        if not options.unsafe_pickle:
            raise
        return read_pickled_module(path, options)
    hints = attack_result_hints(data) if is_attack_result(data) else _hints(data)
    return Contents(hints, state=find_state_dict(data))


def _hints(data: object) -> Hints:
    """What lies beside the weights in a wrapped checkpoint."""
    return Hints(NAME, class_names=class_names(data) if isinstance(data, Mapping) else None)


FORMAT = Format(NAME, _matches, _read)
