"""Model files -> `Classifier`, without running code that a file carries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from triggerfish.files import sha256_of
from triggerfish.loading.discovery import find_checkpoints, other_files
from triggerfish.loading.hints import Hints, LoadOptions
from triggerfish.loading.load import Reading, open_model, open_readings
from triggerfish.model.classifier import Classifier, OutputKind, Preprocessing

__all__ = [
    "Hints",
    "LoadOptions",
    "Reading",
    "find_checkpoints",
    "load_classifier",
    "open_model",
    "open_readings",
    "other_files",
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
    state_key: str | None = None,
    device: str = "cpu",
    unsafe_pickle: bool = False,
) -> Classifier:
    """Load the image classifier in a file or model folder: its likeliest reading.

    Where a file can be read in several ways, the others are left out, and what is assumed of this
    one stands in its ``assumptions``. `scan` and `scan_files` on a path weigh all of them.

    What is not given is taken from the model card beside the file, from the file itself, or from
    the network's defaults. ``architecture`` is a built-in name, ``package.module:factory``,
    ``file.py:Factory``, ``timm:NAME`` or ``torchvision:NAME``; ``input_shape`` is (C, H, W).
    ``unsafe_pickle`` allows to unpickle a whole module, which runs code from the file.

    Args:
        path: A model file, or the folder of one.
        architecture: The network of a state dict.
        arch_args: Arguments of its factory.
        input_shape: ``(C, H, W)`` of an image.
        preprocessing: How an image in [0, 1] becomes the network's input.
        num_classes: How many classes there are.
        output: What the network answers.
        state_key: Which network of a file that holds several, such as ``"state_dict_ema"``; the
            first of them when None.
        device: PyTorch device.
        unsafe_pickle: Run code from the file.

    Returns:
        The model as the rest of the library sees it.

    Raises:
        ValueError: A malformed option.
        CheckpointError: A file that is unreadable, damaged or no model.
        UnsupportedModelError: A model that is no image classifier.

    Example:
        >>> import triggerfish as tf
        >>> classifier = tf.load_classifier("model.pt", input_shape=(1, 28, 28))  # doctest: +SKIP
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
        state_key=state_key,
    ).with_preprocessing(preprocessing)
    return open_model(path, LoadOptions(given, device, unsafe_pickle)).classifier
