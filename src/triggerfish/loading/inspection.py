"""What a model file is, as plain data: the library side of ``triggerfish inspect``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from triggerfish.errors import CheckpointError, UnsupportedModelError, one_line
from triggerfish.files import sha256_of
from triggerfish.loading.contents import Part
from triggerfish.loading.format import recognise
from triggerfish.loading.hints import LoadOptions
from triggerfish.loading.load import Reading, open_readings
from triggerfish.results import Assumption

MOST_NAMED = 5


@dataclass(frozen=True)
class Key:
    """One tensor of a state dict."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Inspection:
    """What was found, in order; ``problem`` is why it cannot be scanned, None when it can.

    ``keys`` are the names, shapes and types of all weights. ``assumptions`` are those of the
    likeliest reading of the file, ``readings`` the options that pin each plausible one.
    ``networks`` are the keys of the networks in the file, and of what may be one, with what became
    of each; empty where the file is nothing but one.
    """

    path: Path
    facts: Mapping[str, str]
    problem: str | None = None
    keys: tuple[Key, ...] = ()
    assumptions: tuple[Assumption, ...] = ()
    readings: tuple[str, ...] = ()
    networks: tuple[tuple[str, str], ...] = ()


def inspect_model(path: str | Path, options: LoadOptions | None = None) -> Inspection:
    """Find out everything about a model file without scanning it. Raises nothing of ours."""
    path = Path(path)
    facts: dict[str, str] = {"path": str(path)}
    keys: tuple[Key, ...] = ()
    networks: tuple[tuple[str, str], ...] = ()
    try:
        facts["sha256"] = sha256_of(path)
        facts["format"] = recognise(path)[0].name
        parts = _parts(path, options or LoadOptions())
        keys, networks = _keys(parts[:1]), _unread(parts)
        readings = open_readings(path, options)
    except (CheckpointError, UnsupportedModelError) as error:
        return Inspection(path, facts, str(error), keys, networks=networks)
    model = readings[0]
    facts |= _describe(model)
    problem = _passes(model, facts)
    keys = keys or _network_keys(model.network)
    assumptions = model.settings.assumptions()
    pinned = tuple(item.options for item in readings)
    return Inspection(path, facts, problem, keys, assumptions, pinned, _networks(readings))


def _parts(path: Path, options: LoadOptions) -> tuple[Part, ...]:
    """The state dicts in the file; none where it carries its network, which is not run here.

    The one that was asked for comes first.
    """
    kind, head = recognise(path)
    parts = () if kind.program else kind.read(path, head, options).states
    return tuple(sorted(parts, key=lambda part: part.key != options.given.state_key))


def _keys(parts: Iterable[Part]) -> tuple[Key, ...]:
    return tuple(_key(name, value) for part in parts for name, value in part.state.items())


def _unread(parts: Sequence[Part]) -> tuple[tuple[str, str], ...]:
    """What there is in a file none of whose networks can be read."""
    return tuple((p.key, f"{len(p.state)} tensors") for p in parts) if len(parts) > 1 else ()


def _networks(readings: Sequence[Reading]) -> tuple[tuple[str, str], ...]:
    first = {reading.part: reading for reading in reversed(readings)}
    read = [
        (part, f"scanned as {first[part].architecture}")
        for part in dict.fromkeys(reading.part for reading in readings)
    ]
    beside = [(aside.key, f"not scanned: {aside.why}") for aside in readings[0].beside]
    return (*read, *beside) if len(read) > 1 or beside else ()


def _network_keys(network: nn.Module) -> tuple[Key, ...]:
    return tuple(_key(name, value) for name, value in network.state_dict().items())


def _key(name: str, value: Tensor) -> Key:
    return Key(name, tuple(value.shape), str(value.dtype).removeprefix("torch."))


def _describe(model: Reading) -> dict[str, str]:
    classifier, origin = model.classifier, model.settings.origin
    parameters = sum(value.numel() for value in model.network.state_dict().values())
    preprocessing = classifier.preprocessing
    low, high = preprocessing.input_range
    order = "N, H, W, C" if preprocessing.channels_last else "N, C, H, W"
    return {
        "architecture": model.architecture,
        "parameters": f"{parameters:,}",
        "input": f"{_join(classifier.input_shape)} (C, H, W) from "
        f"{origin('input_shape') or 'trial'}, passed on as ({order})",
        "input range": f"[{low:g}, {high:g}] from {origin('input_range') or 'default'}",
        "mean": f"{_join(preprocessing.mean)} from {origin('mean')}",
        "std": f"{_join(preprocessing.std)} from {origin('std')}",
        "classes": str(classifier.num_classes),
        **_named(model),
        "output": f"{classifier.output} from {origin('output') or 'its values on noise'}",
    }


def _named(model: Reading) -> dict[str, str]:
    """The first names of classes, where they are known."""
    names = model.classifier.class_names
    if not names:
        return {}
    more = ", ..." if len(names) > MOST_NAMED else ""
    shown = ", ".join(names[:MOST_NAMED])
    return {"class names": f"{shown}{more} from {model.settings.origin('class_names')}"}


def _passes(model: Reading, facts: dict[str, str]) -> str | None:
    """Try a forward and a backward pass; adds to ``facts``, returns the problem if there is one."""
    classifier = model.classifier
    levels = torch.linspace(0, 1, 4, device=classifier.device).view(-1, 1, 1, 1)
    images = levels.expand(-1, *classifier.input_shape).clone().requires_grad_()
    lost = int(classifier.saturated(images.detach()).sum())
    facts["forward"] = "works" if not lost else f"works; saturated on {lost} of 4 uniform images"
    try:
        (gradient,) = torch.autograd.grad(classifier.logits(images).square().sum(), images)
    except RuntimeError as error:
        facts["backward"] = "fails"
        return f"expected a differentiable model, got {one_line(error)}: give the weights instead"
    facts["backward"] = "works" if bool(gradient.any()) else "works, but the gradient is zero"
    return None


def _join(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:g}" for value in values)
