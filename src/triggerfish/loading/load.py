"""A path -> a `LoadedModel`: the pipeline format, architecture, settings, head."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from triggerfish.errors import UnsupportedModelError
from triggerfish.loading.card import read_card
from triggerfish.loading.contents import Contents
from triggerfish.loading.discovery import local
from triggerfish.loading.format import recognise
from triggerfish.loading.guards import sandbox
from triggerfish.loading.hints import Hints, LoadOptions, Settings, default_hints
from triggerfish.loading.weights.architecture import make_network
from triggerfish.loading.weights.matching import fill, match_builtin
from triggerfish.loading.weights.order import named_as
from triggerfish.model.classifier import Classifier, Preprocessing

Shape = tuple[int, int, int]

MAX_PIXELS = 4 * 2048 * 2048


@dataclass(frozen=True)
class LoadedModel:
    """A classifier and how it came about, for ``inspect``.

    ``builtin`` is the name of the built-in network that was found to fit, if one was looked for.
    """

    classifier: Classifier
    network: nn.Module
    format: str
    architecture: str
    settings: Settings
    builtin: str | None = None


def open_model(
    path: str | Path, options: LoadOptions | None = None, *, confined: bool = False
) -> LoadedModel:
    """Load the classifier in a file or model folder.

    A file that is a program is first tried in a child process, unless this one is it
    (``confined``).

    Raises `CheckpointError` when the file cannot be read or is not a model, and
    `UnsupportedModelError` when it is not a classifier that can be scanned.
    """
    path, options = local(path), options or LoadOptions()
    kind, head = recognise(path)
    card = read_card(path)
    if kind.fragile and not confined:
        sandbox.probe(path, options)
    contents = kind.read(path, head, options)
    if kind.program and not kind.fragile and not confined:
        sandbox.probe(path, options)
    sources = [options.given, card, contents.hints]
    architecture, network, carried, builtin = _network(contents, Settings(sources).merged())
    sources.append(carried)
    shape = _input_shape(network, Settings(sources).merged(), contents)
    settings = Settings([*sources, default_hints(shape)])
    merged = settings.merged()
    classifier = Classifier(
        network,
        shape,
        preprocessing=_preprocessing(settings, shape[0]),
        num_classes=merged.num_classes,
        output=merged.output,
        device=options.device,
        name=path.name,
    )
    return LoadedModel(classifier, network, kind.name, architecture, settings, builtin)


def _network(contents: Contents, hints: Hints) -> tuple[str, nn.Module, Hints, str | None]:
    """What to call the network, it, what it knows, and the built-in's name if it is one."""
    if contents.network is not None:
        return "carried by the file", contents.network, Hints("file"), None
    assert contents.state is not None
    if hints.architecture is None:
        name, network = match_builtin(contents.state, hints.num_classes)
        return f"{name} (the built-in that fits)", network, Hints("architecture"), name
    network, carried = make_network(hints.architecture, contents.state, hints)
    state = contents.state
    if contents.ordered:
        state = named_as(network, state, hints.architecture)
    filled = fill(network, state, hints.architecture)
    return hints.architecture, filled, carried, None


def _preprocessing(settings: Settings, channels: int) -> Preprocessing:
    try:
        preprocessing = settings.preprocessing()
        preprocessing.affine(channels)
    except ValueError as error:
        raise UnsupportedModelError(f"{error}, from {settings.origin('mean')}") from error
    return preprocessing


def _input_shape(network: nn.Module, hints: Hints, contents: Contents) -> Shape:
    """The given shape, else the first usual one that the network accepts."""
    if hints.input_shape is not None:
        if math.prod(hints.input_shape) > MAX_PIXELS or min(hints.input_shape) < 1:
            raise UnsupportedModelError(
                f"expected images of up to {MAX_PIXELS} values, got {hints.input_shape}: "
                "fix the input shape"
            )
        return hints.input_shape
    for shape in _usual_shapes(contents):
        try:
            with torch.no_grad():
                network.eval()(torch.zeros(2, *shape))
        except (RuntimeError, ValueError, TypeError, IndexError):
            continue
        return shape
    raise UnsupportedModelError(
        "expected a network for 28x28 or 32x32 images, got one that takes neither: "
        "pass --input-shape C,H,W"
    )


def _usual_shapes(contents: Contents) -> Iterator[Shape]:
    kernels = [value for value in (contents.state or {}).values() if value.ndim == 4]
    channels = [int(kernels[0].shape[1])] if kernels else [1, 3]
    for side in (28, 32):
        for count in channels:
            yield (count, side, side)
