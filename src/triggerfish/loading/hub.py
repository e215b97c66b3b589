"""``hf://owner/name``: a model of the Hugging Face hub, fetched at one fixed revision.

The only place that uses the network, and only for a path that asks for it. What is fetched is then
read like any other folder of a stranger.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from pathlib import Path

from triggerfish.errors import CheckpointError, UnsupportedModelError

# Path("hf://owner/name") drops the second slash.
_REFERENCE = re.compile(r"hf:/{1,2}([\w.-]+/[\w.-]+)(?:@([\w./-]+))?")


def is_reference(path: str | Path) -> bool:
    """Whether a path names a model of the hub."""
    return str(path).startswith("hf:/")


def fetch(path: str | Path, patterns: Sequence[str]) -> Path:
    """The local folder of ``hf://owner/name`` or ``hf://owner/name@revision``.

    Only files that fit ``patterns`` are fetched. A branch or tag is resolved to its commit first,
    which names the folder that is returned. Raises
    `UnsupportedModelError` without huggingface_hub, and `CheckpointError` when nothing comes.
    """
    match = _REFERENCE.fullmatch(str(path))
    if match is None:
        raise CheckpointError(
            f"expected hf://owner/name or hf://owner/name@revision, got {path}: fix the name"
        )
    name, revision = match.groups()
    try:
        hub = importlib.import_module("huggingface_hub")
    except ImportError as error:
        raise UnsupportedModelError(
            f"expected the huggingface_hub package to fetch {name}, got none: "
            "pip install triggerfish[huggingface]"
        ) from error
    try:
        commit = str(hub.HfApi().model_info(name, revision=revision).sha)
        return Path(hub.snapshot_download(name, revision=commit, allow_patterns=list(patterns)))
    except Exception as error:  # the hub's client raises many kinds, the network's among them
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise CheckpointError(
            f"expected {name} on the Hugging Face hub, got {line[:200]}: check the name and the "
            "network"
        ) from error
