"""Pickled files: of ``torch.save``, new and from before 1.6, and plain ones of ``pickle.dump``.

State dicts wherever they are, modules, arrays by name; nested, or in a package's objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from triggerfish.errors import CheckpointError, DangerousFileError
from triggerfish.loading.contents import Contents
from triggerfish.loading.formats.backdoorbench import ATTACK_RESULT, attack_result_hints
from triggerfish.loading.formats.pickled_module import read_pickled_module
from triggerfish.loading.guards.pickle_scan import MAX_PICKLE_BYTES
from triggerfish.loading.guards.torch_file import unpickled
from triggerfish.loading.hints import Hints, LoadOptions, class_names
from triggerfish.loading.weights.containers import parts_of

NAME, PLAIN = "PyTorch checkpoint", "plain pickle"


def read_plain(path: Path, head: bytes, options: LoadOptions) -> Contents:
    """The contents of a plain pickle."""
    if path.stat().st_size > MAX_PICKLE_BYTES:
        raise CheckpointError(
            f"expected a plain pickle of at most {MAX_PICKLE_BYTES >> 20} MiB, got a larger one: "
            "save the state dict with torch.save or safetensors"
        )
    return read(path, head, options, PLAIN)


def read(path: Path, head: bytes, options: LoadOptions, name: str = NAME) -> Contents:
    """All state dicts in a pickled file; with ``unsafe_pickle`` a whole module as it runs.

    ``name`` is the format that the hints give as their source.
    """
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
    if isinstance(data, Mapping) and data.keys() >= ATTACK_RESULT:
        hints = attack_result_hints(data)
    else:  # what lies beside the weights in a wrapped checkpoint
        hints = Hints(name, class_names=class_names(data) if isinstance(data, Mapping) else None)
    return Contents(hints, state=parts[0].state, parts=parts, asides=asides, unknown=unknown)
