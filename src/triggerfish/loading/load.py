"""A path -> every `Reading` that it may be: format, network, input shape, preprocessing, head.

What the file, its card and the user leave open is not decided silently: there is one model for each
plausible reading, with its assumptions, and `narrowed` drops those that speak against the weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import nn

from triggerfish.architectures import ARCHITECTURES
from triggerfish.architectures.tasks import Shape, Task
from triggerfish.errors import UnsupportedModelError
from triggerfish.loading.card import read_card
from triggerfish.loading.contents import Aside, Contents, Part, joined
from triggerfish.loading.discovery import local
from triggerfish.loading.fit import Plan, narrowed
from triggerfish.loading.format import recognise
from triggerfish.loading.guards import sandbox
from triggerfish.loading.hints import Hints, LoadOptions, Settings, refuse_assumptions
from triggerfish.loading.preprocessing import plausible
from triggerfish.loading.programs.answers import parts_of
from triggerfish.loading.programs.batches import for_any_batch
from triggerfish.loading.programs.first_steps import first_steps
from triggerfish.loading.weights.by_name import make_network, sizes
from triggerfish.loading.weights.choices import NetworkChoice, network_choices
from triggerfish.loading.weights.filling import Filled, fill_parts
from triggerfish.loading.weights.matching import fill, named_as
from triggerfish.model.classifier import Classifier
from triggerfish.results import CARRIED, Fact

MAX_PIXELS = 4 * 2048 * 2048
_USUAL_SIDES = (28, 32, 224)
_COLOR_SIDES = (32, 224, 28, 299)
_SHOWN = 8


@dataclass(frozen=True)
class Reading:
    """One reading of a model file, and how it came about.

    ``builtin`` is the name of the catalogue's network that was found to fit, if one was looked
    for. ``share`` is how likely the reading is, of 1 for all of the file's. ``options`` are those
    that say what is assumed here. ``part`` names the network or the output of the file that is
    read, empty where the file has one; ``beside`` is what else the file holds and is not read.
    ``skippable`` are layers of a guessed chain that a connection may go around as well.
    """

    classifier: Classifier
    network: nn.Module
    format: str
    architecture: str
    settings: Settings
    builtin: str | None = None
    share: float = 1.0
    part: str = ""
    beside: tuple[Aside, ...] = ()
    skippable: tuple[str, ...] = ()

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
    path: str | Path,
    options: LoadOptions | None = None,
    *,
    confined: bool = False,
    contents: Contents | None = None,
) -> tuple[Reading, ...]:
    """All plausible readings of the classifier in a file or model folder, the likeliest first.

    There is one, unless something has to be assumed. A file that is a program is first tried in a
    child process, unless this one is it (``confined``). ``contents`` are what somebody else has
    read of the file and tried: its own format's reader is not asked then.

    Raises `CheckpointError` when the file cannot be read or is not a model, and
    `UnsupportedModelError` when it is not a classifier that can be scanned.
    """
    path, options = local(path), options or LoadOptions()
    kind, head = recognise(path)
    card = read_card(path)
    tried = confined or contents is not None
    if kind.fragile and not tried:
        sandbox.probe(path, options)
    if contents is None:
        contents = kind.read(path, head, options)
    if kind.program and not kind.fragile and not tried:
        sandbox.probe(path, options)
    said = [options.given, card, contents.hints]
    found, beside = _found(contents, Settings(said).merged(), str(path))
    if options.strict:
        _refuse_unread(beside, path)
    alone = len(found) == 1 and not any(aside.network for aside in beside)
    keras = kind.name.startswith(("Keras", "TensorFlow"))
    readings: list[Reading] = []
    problems: list[UnsupportedModelError] = []
    for one in found:
        key = None if alone else one.part.key
        known = _known(said, one, key, len(found))
        try:
            plans = [plan for c in one.choices for plan in _plans(c, known, keras=keras)]
            if options.strict:
                refuse_assumptions(plans[0].settings, str(path))
            kept: list[Plan] = []
            for label in dict.fromkeys(plan.part.label for plan in plans):
                read = [plan for plan in plans if plan.part.label == label]
                # A child process only tries the program: one reading of an output is enough.
                kept += read[:1] if confined else narrowed(read)
            # All or none: where one reading fails, the network is reported as unread.
            readings += [
                _reading(plan, _facts(plan, one, contents, kind.name), kind.name, options, path)
                for plan in kept
            ]
        except UnsupportedModelError as error:
            problems.append(error)
            beside = (*beside, Aside(one.part.key, str(error), network=True))
    if problems and (options.strict or not readings):
        raise problems[0]
    return tuple(replace(reading, beside=beside) for reading in readings)


def _known(said: Sequence[Hints], one: Filled, key: str | None, count: int) -> list[Hints]:
    """What is said about one network of a file; ``key`` is None where it is the only one."""
    known = [*said, *([one.hints] if one.hints else [])]
    if key is not None and Settings(said).merged().state_key is None:
        source = f"one of {count} networks in the file" if count > 1 else "the one that was read"
        known.append(Hints(source, state_key=key))
    return known


def _refuse_unread(beside: tuple[Aside, ...], path: Path) -> None:
    """Raise `UnsupportedModelError` where something of a file may be a network and is not read."""
    unread = next((aside for aside in beside if aside.network), None)
    if unread is not None:
        raise UnsupportedModelError(
            f"--strict wants every network of {path} to be read, and "
            f"{unread.key or 'one'} is not ({unread.why}): pass --state-key to choose one"
        )


def _reading(
    plan: Plan, facts: tuple[Fact, ...], kind: str, options: LoadOptions, path: Path
) -> Reading:
    """The classifier of a plan; raises `UnsupportedModelError` where one cannot be made of it."""
    choice, settings = plan.choice, plan.settings
    merged = settings.merged()
    assert merged.input_shape is not None
    try:
        preprocessing = settings.preprocessing()
        preprocessing.affine(merged.input_shape[0])
    except ValueError as error:
        raise UnsupportedModelError(f"{error}, from {settings.origin('mean')}") from error
    classifier = Classifier(
        choice.network,
        merged.input_shape,
        preprocessing=preprocessing,
        num_classes=merged.num_classes,
        output=merged.output,
        part=plan.part.output,
        device=options.device,
        name=path.name,
        assumptions=settings.assumptions(),
        facts=facts,
        class_names=merged.class_names or (),
    )
    return Reading(
        classifier,
        choice.network,
        kind,
        choice.name,
        settings,
        choice.name if choice.builtin else None,
        plan.share,
        joined(merged.state_key or "", plan.part.label),
        skippable=choice.skippable,
    )


def _plans(choice: NetworkChoice, said: Sequence[Hints], *, keras: bool) -> Iterator[Plan]:
    """A network with every input shape and preprocessing that is not ruled out."""
    known = [*said, choice.hints]
    merged = Settings(known).merged()
    for shape in _input_shapes(choice, merged):
        shaped = [*known, Hints("usual size", input_shape=shape, assumed=True)]
        taken = _as_taken(shape, merged)
        carried = choice.name == CARRIED and for_any_batch(choice.network, taken)
        for part in parts_of(carried or choice.network, taken):
            read = replace(choice, network=part.network)
            own = first_steps(part.network, taken, merged) if carried else Hints("its first steps")
            now = Settings([*shaped, own]).merged()
            if now.mean or now.std or now.input_range:
                rest = Hints("not normalized otherwise", mean=(0.0,), std=(1.0,), assumed=True)
                yield Plan(read, Settings([*shaped, own, rest]), part)
                continue
            for rank, hints in enumerate(plausible(shape, choice.tasks, keras)):
                yield Plan(read, Settings([*shaped, own, hints]), part, rank)


def _found(
    contents: Contents, hints: Hints, path: str
) -> tuple[tuple[Filled, ...], tuple[Aside, ...]]:
    """The networks of a file, and what else it holds."""
    if contents.network is not None:
        carried = NetworkChoice(CARRIED, contents.network, Hints("file"))
        return (Filled(Part("", {}), (carried,)),), contents.asides
    find = partial(_choices, contents=contents, hints=hints, path=path)
    named = hints.architecture is not None
    return fill_parts(contents.states, contents.asides, find, hints.state_key, named=named)


def _choices(part: Part, contents: Contents, hints: Hints, path: str) -> tuple[NetworkChoice, ...]:
    """The networks that a state dict fills; raises `UnsupportedModelError` for none."""
    if hints.architecture is None and part.network is not None:
        network = fill(part.network, part.state, CARRIED)
        return (NetworkChoice(CARRIED, network, Hints("file")),)
    if hints.architecture is None:
        return network_choices(part, hints, path)
    network, carried = make_network(hints.architecture, part.state, hints)
    state = part.state
    if contents.ordered:
        state = named_as(network, state, hints.architecture)
    filled = fill(network, state, hints.architecture)
    tasks: tuple[Task, ...] = ()
    if hints.architecture in ARCHITECTURES:
        classes, channels = sizes(ARCHITECTURES[hints.architecture], part.state, hints)
        tasks = ARCHITECTURES[hints.architecture].tasks_for(classes, channels)
    shapes = tuple(dict.fromkeys(task.input_shape for task in tasks))
    return (NetworkChoice(hints.architecture, filled, carried, shapes, tasks),)


def _facts(plan: Plan, one: Filled, contents: Contents, kind: str) -> tuple[Fact, ...]:
    """What was left aside, what the file says by carrying its network, and what somebody said."""
    facts = []
    if one.left_out:
        facts.append(Fact("left out", _few(one.left_out), "in no layer of the network"))
    if contents.unknown:
        facts.append(Fact("classes not read", _few(contents.unknown), "named in the file"))
    if plan.choice.name == CARRIED:
        facts.append(Fact("network", CARRIED, kind))
    if plan.part.name is not None:
        facts.append(Fact("output", plan.part.name, kind))
    if plan.part.unread:
        facts.append(Fact("outputs not scanned", plan.part.unread, kind))
    return (*facts, *plan.settings.facts())


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")


def _input_shapes(choice: NetworkChoice, hints: Hints) -> tuple[Shape, ...]:
    """The given shape, else the network's usual ones, else the first usual one that it accepts."""
    if hints.input_shape is not None:
        if math.prod(hints.input_shape) > MAX_PIXELS or min(hints.input_shape) < 1:
            raise UnsupportedModelError(
                f"images of {hints.input_shape} are larger than {MAX_PIXELS} values: "
                "fix the input shape"
            )
        return (hints.input_shape,)
    usual = choice.input_shapes or tuple(_usual_shapes(choice.network))
    fitting = tuple(
        shape for shape in usual if for_any_batch(choice.network, _as_taken(shape, hints))
    )
    if not fitting:
        raise UnsupportedModelError(
            f"the network takes no images of {', '.join(f'{s[1]}x{s[2]}' for s in usual)}: "
            "pass --input-shape C,H,W"
        )
    return fitting if choice.input_shapes else fitting[:1]


def _as_taken(shape: Shape, hints: Hints) -> Shape:
    """An image's shape in the order that the network takes."""
    return (shape[1], shape[2], shape[0]) if hints.channels_last else shape


def _usual_shapes(network: nn.Module) -> Iterator[Shape]:
    """Usual shapes for the network's first convolution: its own order counts, no file's."""
    state = {} if isinstance(network, torch.jit.ScriptModule) else network.state_dict()
    kernels = [value for value in state.values() if value.ndim == 4]
    channels = [int(kernels[0].shape[1])] if kernels else [1, 3]
    for side in _USUAL_SIDES if channels[0] == 1 else _COLOR_SIDES:
        for count in channels:
            yield (count, side, side)
