"""A path -> every `Reading` that it may be: format, network, input shape, preprocessing, head.

What the file, its card and the user leave open is not decided silently: there is one model for each
plausible reading, with its assumptions, and `narrowed` drops those that speak against the weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from triggerfish.architectures import ARCHITECTURES
from triggerfish.architectures.tasks import Shape, Task
from triggerfish.errors import UnsupportedModelError
from triggerfish.loading.card import read_card
from triggerfish.loading.contents import Contents
from triggerfish.loading.discovery import local
from triggerfish.loading.fit import Plan, narrowed
from triggerfish.loading.format import recognise
from triggerfish.loading.guards import sandbox
from triggerfish.loading.hints import Hints, LoadOptions, Settings, refuse_assumptions
from triggerfish.loading.preprocessing import plausible
from triggerfish.loading.programs.batches import for_any_batch
from triggerfish.loading.programs.first_steps import first_steps
from triggerfish.loading.programs.parts import parts_of
from triggerfish.loading.weights.architecture import make_network
from triggerfish.loading.weights.choices import NetworkChoice, network_choices
from triggerfish.loading.weights.matching import fill, guess_channels, guess_classes
from triggerfish.loading.weights.order import named_as
from triggerfish.model.classifier import Classifier, Preprocessing
from triggerfish.results import Fact

MAX_PIXELS = 4 * 2048 * 2048
_USUAL_SIDES = (28, 32, 224)
CARRIED = "carried by the file"


@dataclass(frozen=True)
class Reading:
    """One reading of a model file, and how it came about.

    ``builtin`` is the name of the catalogue's network that was found to fit, if one was looked
    for. ``share`` is how likely the reading is, of 1 for all of the file's. ``options`` are those
    that say what is assumed here. ``part`` names the network or the output of the file that is
    read, empty where the file has one.
    """

    classifier: Classifier
    network: nn.Module
    format: str
    architecture: str
    settings: Settings
    builtin: str | None = None
    share: float = 1.0
    part: str = ""

    @property
    def options(self) -> str:
        """The options that turn this reading's assumptions into facts."""
        return self.settings.pinned()


def open_model(
    path: str | Path, options: LoadOptions | None = None, *, confined: bool = False
) -> Reading:
    """Load the classifier in a file or model folder: its likeliest reading, with assumptions.

    Raises as `open_readings`.
    """
    return open_readings(path, options, confined=confined)[0]


def open_readings(
    path: str | Path, options: LoadOptions | None = None, *, confined: bool = False
) -> tuple[Reading, ...]:
    """All plausible readings of the classifier in a file or model folder, the likeliest first.

    There is one, unless something has to be assumed. A file that is a program is first tried in a
    child process, unless this one is it (``confined``).

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
    said = [options.given, card, contents.hints]
    choices = _networks(contents, Settings(said).merged(), str(path))
    readings = [
        reading
        for choice in choices
        for reading in _readings(choice, contents, said, keras=kind.name.startswith("Keras"))
    ]
    if options.strict:
        refuse_assumptions(readings[0].settings, str(path))
    kept: list[Plan] = []
    for label in dict.fromkeys(reading.label for reading in readings):
        read = [reading for reading in readings if reading.label == label]
        # A child process only tries the program.
        kept += read[:1] if confined else narrowed(read)
    return tuple(_model(reading, kind.name, options, path) for reading in kept)


def _model(reading: Plan, kind: str, options: LoadOptions, path: Path) -> Reading:
    choice = reading.choice
    return Reading(
        _classifier(reading, _facts(reading, kind), options.device, path.name),
        choice.network,
        kind,
        choice.name,
        reading.settings,
        choice.name if choice.builtin else None,
        reading.share,
        reading.label,
    )


def _readings(
    choice: NetworkChoice, contents: Contents, said: list[Hints], *, keras: bool
) -> Iterator[Plan]:
    """A network with every input shape and preprocessing that nobody has ruled out."""
    known = [*said, choice.hints]
    merged = Settings(known).merged()
    for shape in _input_shapes(choice, merged, contents):
        shaped = [*known, Hints("usual size", input_shape=shape, assumed=True)]
        taken = _as_taken(shape, merged)
        carried = choice.name == CARRIED and for_any_batch(choice.network, taken)
        for part in parts_of(carried or choice.network, taken):
            read = replace(choice, network=part.network)
            own = first_steps(part.network, taken, merged) if carried else Hints("its first steps")
            now = Settings([*shaped, own]).merged()
            if now.mean or now.std or now.input_range:
                rest = Hints("not normalized otherwise", mean=(0.0,), std=(1.0,), assumed=True)
                yield Plan(read, Settings([*shaped, own, rest]), part=part)
                continue
            for rank, hints in enumerate(plausible(shape, choice.tasks, keras)):
                yield Plan(read, Settings([*shaped, own, hints]), rank, part=part)


def _networks(contents: Contents, hints: Hints, path: str) -> tuple[NetworkChoice, ...]:
    if contents.network is not None:
        return (NetworkChoice(CARRIED, contents.network, Hints("file")),)
    assert contents.state is not None
    if hints.architecture is None:
        return network_choices(contents.state, hints, path)
    network, carried = make_network(hints.architecture, contents.state, hints)
    state = contents.state
    if contents.ordered:
        state = named_as(network, state, hints.architecture)
    filled = fill(network, state, hints.architecture)
    tasks: tuple[Task, ...] = ()
    if hints.architecture in ARCHITECTURES:
        classes = hints.num_classes or guess_classes(contents.state)[0]
        channels = hints.input_shape[0] if hints.input_shape else guess_channels(contents.state)[0]
        tasks = ARCHITECTURES[hints.architecture].tasks_for(classes, channels)
    shapes = tuple(dict.fromkeys(task.input_shape for task in tasks))
    return (NetworkChoice(hints.architecture, filled, carried, shapes, tasks),)


def _facts(reading: Plan, kind: str) -> tuple[Fact, ...]:
    """What somebody said; a file that carries its network has said that by itself."""
    carried = reading.choice.name == CARRIED
    network = [Fact("network", CARRIED, kind)] if carried else []
    if reading.part is not None and reading.part.name is not None:
        network.append(Fact("output", reading.part.name, kind))
    if reading.part is not None and reading.part.unread:
        network.append(Fact("outputs not scanned", reading.part.unread, kind))
    return (*network, *reading.settings.facts())


def _classifier(reading: Plan, facts: tuple[Fact, ...], device: str, name: str) -> Classifier:
    network, settings = reading.choice.network, reading.settings
    merged = settings.merged()
    assert merged.input_shape is not None
    return Classifier(
        network,
        merged.input_shape,
        preprocessing=_preprocessing(settings, merged.input_shape[0]),
        num_classes=merged.num_classes,
        output=merged.output,
        part=reading.output,
        device=device,
        name=name,
        assumptions=settings.assumptions(),
        facts=facts,
        class_names=merged.class_names or (),
    )


def _preprocessing(settings: Settings, channels: int) -> Preprocessing:
    try:
        preprocessing = settings.preprocessing()
        preprocessing.affine(channels)
    except ValueError as error:
        raise UnsupportedModelError(f"{error}, from {settings.origin('mean')}") from error
    return preprocessing


def _input_shapes(choice: NetworkChoice, hints: Hints, contents: Contents) -> tuple[Shape, ...]:
    """The given shape, else the network's usual ones, else the first usual one that it accepts."""
    if hints.input_shape is not None:
        if math.prod(hints.input_shape) > MAX_PIXELS or min(hints.input_shape) < 1:
            raise UnsupportedModelError(
                f"expected images of up to {MAX_PIXELS} values, got {hints.input_shape}: "
                "fix the input shape"
            )
        return (hints.input_shape,)
    usual = choice.input_shapes or tuple(_usual_shapes(contents))
    fitting = tuple(
        shape for shape in usual if for_any_batch(choice.network, _as_taken(shape, hints))
    )
    if not fitting:
        raise UnsupportedModelError(
            f"expected a network for images of {', '.join(f'{s[1]}x{s[2]}' for s in usual)}, got "
            "one that takes none of them: pass --input-shape C,H,W"
        )
    return fitting if choice.input_shapes else fitting[:1]


def _as_taken(shape: Shape, hints: Hints) -> Shape:
    """An image's shape in the order that the network takes."""
    return (shape[1], shape[2], shape[0]) if hints.channels_last else shape


def _usual_shapes(contents: Contents) -> Iterator[Shape]:
    kernels = [value for value in (contents.state or {}).values() if value.ndim == 4]
    channels = [int(kernels[0].shape[1])] if kernels else [1, 3]
    for side in _USUAL_SIDES:
        for count in channels:
            yield (count, side, side)
