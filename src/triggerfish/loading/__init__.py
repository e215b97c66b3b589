"""Model files -> `Classifier`, without running code that a file carries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from triggerfish.loading.discovery import find_checkpoints
from triggerfish.loading.guards.files import sha256_of
from triggerfish.loading.hints import Hints, LoadOptions
from triggerfish.loading.load import LoadedModel, open_candidates, open_model
from triggerfish.model.classifier import Classifier, OutputKind, Preprocessing

__all__ = [
    "Hints",
    "LoadOptions",
    "LoadedModel",
    "find_checkpoints",
    "load_classifier",
    "open_candidates",
    "open_model",
    "sha256_of",
]


def load_classifier(
    path: str | Path,
    *,
    architecture: str | None = None,
    arch_args: Mapping[str, object] | None = None,
    input_shape: Sequence[int] | None = None,
    preprocessing: Preprocessing | None = None,
    num_classes: int | None = None,
    output: OutputKind | None = None,
    device: str = "cpu",
    unsafe_pickle: bool = False,
) -> Classifier:
    """Load the image classifier in a file or model folder.

    What is not given is taken from the model card beside the file, from the file itself, or from
    the network's defaults. ``architecture`` is a built-in name, ``package.module:factory``,
    ``file.py:Factory``, ``timm:NAME`` or ``torchvision:NAME``; ``input_shape`` is (C, H, W).
    ``unsafe_pickle`` allows to unpickle a whole module, which runs code from the file.

    Raises `CheckpointError` (unreadable, damaged, not a model) or `UnsupportedModelError`.
    """
    if input_shape is not None and len(input_shape) != 3:
        raise ValueError(f"expected input_shape (C, H, W), got {tuple(input_shape)}")
    given = Hints(
        "options",
        architecture=architecture,
        arch_args=arch_args,
        input_shape=None
        if input_shape is None
        else (input_shape[0], input_shape[1], input_shape[2]),
        num_classes=num_classes,
        output=output,
    ).with_preprocessing(preprocessing)
    return open_model(path, LoadOptions(given, device, unsafe_pickle)).classifier
