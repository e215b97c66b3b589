"""``--arch``: a name -> a network, ready to be filled with weights.

Names of the catalogue, chains written out, and the model zoos of timm and torchvision run installed
code only;
``package.module:factory`` and ``file.py:Factory`` run code that the user names; a checkpoint or its
card cannot name any.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import importlib.util
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from triggerfish.architectures import ARCHITECTURES
from triggerfish.architectures.architecture import Architecture
from triggerfish.errors import UnsupportedModelError, one_line
from triggerfish.loading.hints import Hints
from triggerfish.loading.weights.chain_text import PREFIX, build_chain
from triggerfish.loading.weights.matching import build
from triggerfish.loading.weights.own_head import MARK, headed_network
from triggerfish.loading.weights.state_dict import StateDict, strip_prefixes

Factory = Callable[[], object]

_NAMED = 5  # of what could have been named
_IMAGENET = 1000  # classes; a network with fewer was trained on other images
_ZOO_NAME = re.compile(r"[A-Za-z0-9_.]+")  # excludes timm's hf-hub: and local-dir: sources


def make_network(name: str, state: StateDict, hints: Hints) -> tuple[nn.Module, Hints]:
    """Build the network called ``name``, and what it knows about its input.

    The number of classes and channels comes from ``hints``, else from the shapes in ``state``.
    Raises `UnsupportedModelError` when there is no such network or it cannot be built.
    """
    arguments = dict(hints.arch_args or {})
    source, _, rest = name.partition(":")
    factory: Factory
    if name in ARCHITECTURES:
        classes, channels = sizes(ARCHITECTURES[name], state, hints)
        factory = partial(ARCHITECTURES[name], classes, channels, **arguments)
    elif name.partition(MARK)[0] in ARCHITECTURES:
        factory = partial(headed_network, name, strip_prefixes(state)[-1])
    elif name.startswith(PREFIX):
        factory = partial(build_chain, rest, state)
    elif source in ("timm", "torchvision") and not _ZOO_NAME.fullmatch(rest):
        raise UnsupportedModelError(f"{rest!r} is no name of a {source} model")
    elif source == "timm":
        factory = _timm(rest, state, hints, arguments)
    elif source == "torchvision":
        factory = _torchvision(rest, state, hints, arguments)
    elif rest:
        factory = partial(_attribute(source, rest), **arguments)
    else:
        raise UnsupportedModelError(f"no network has the name {name!r}{_what_to_name(name)}")
    try:
        network = build(factory)
    except UnsupportedModelError:
        raise
    except Exception as error:
        raise UnsupportedModelError(
            f"the architecture {name} cannot be built ({type(error).__name__}: "
            f"{one_line(error)}): check --arch-args and --num-classes"
        ) from error
    return network, _carried_hints(network, name)


def _what_to_name(name: str) -> str:
    """The network of the catalogue that may be meant, else what can be named at all."""
    if near := difflib.get_close_matches(name, ARCHITECTURES, n=1):
        return f", did you mean {near[0]}?"
    some = ", ".join(islice(ARCHITECTURES, _NAMED))
    return (
        f": take one of {some}, ... (docs/architectures.md lists {len(ARCHITECTURES)}), "
        "chain:STEPS, package.module:factory, file.py:Factory, timm:NAME, torchvision:NAME"
    )


def parse_arch_args(pairs: Iterable[str]) -> dict[str, object]:
    """``key=value`` texts as keyword arguments; values are Python literals, else strings.

    Raises `ValueError` for a text without ``=`` or with a key that is no identifier.
    """
    arguments: dict[str, object] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key.isidentifier():
            raise ValueError(f"--arch-args takes key=value, not {pair!r}")
        try:
            arguments[key] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            arguments[key] = text
    return arguments


def sizes(architecture: Architecture, state: StateDict, hints: Hints) -> tuple[int, int]:
    """Classes and channels of a network of the catalogue, by the names of its first and last layer.

    The order of the keys says nothing, since safetensors sorts them; it decides only where the
    names are others.
    """
    shapes = [value.shape for value in state.values() if value.ndim in (2, 4)]
    classes = int(shapes[-1][0]) if shapes else 2
    channels = next((int(shape[1]) for shape in shapes if len(shape) == 4), 1)
    for variant in strip_prefixes(state):
        first, last = (
            variant.get(f"{name}.weight") for name in (architecture.first, architecture.last)
        )
        if first is not None and last is not None:
            classes = int(last.shape[0])
            channels = int(first.shape[1]) if first.ndim == 4 else channels
            break
    given = hints.input_shape[0] if hints.input_shape else channels
    return (hints.num_classes or classes), given


def _timm(name: str, state: StateDict, hints: Hints, arguments: Mapping[str, Any]) -> Factory:
    timm = _optional("timm")
    make = partial(timm.create_model, name, pretrained=False)
    return lambda: _resized(make, state, hints, arguments, channels="in_chans")


def _torchvision(
    name: str, state: StateDict, hints: Hints, arguments: Mapping[str, Any]
) -> Factory:
    models = _optional("torchvision.models")
    make = partial(models.get_model, name, weights=None)
    return lambda: _resized(make, state, hints, arguments)


def _resized(
    make: Callable[..., nn.Module],
    state: StateDict,
    hints: Hints,
    arguments: Mapping[str, Any],
    channels: str | None = None,
) -> nn.Module:
    """A zoo's network, made again with as many classes and channels as the weights have.

    The network itself says by its names which tensors those are; no order of keys does.
    """
    usual = make(**arguments)
    expected = usual.state_dict()
    fits = [_misfits(expected, variant) for variant in strip_prefixes(state)]
    misfits = max(fits, key=lambda found: found[0])[1]
    wanted: dict[str, object] = {}
    heads = [(old[0], new[0]) for old, new in misfits if old[0] != new[0] and old[1:] == new[1:]]
    classes = hints.num_classes or (heads[-1][1] if heads else None)
    if classes is not None and "num_classes" not in arguments and heads:
        wanted["num_classes"] = classes
    first = next(
        (new[1] for old, new in misfits if len(old) == 4 and old[0] == new[0] and old[1] != new[1]),
        None,
    )
    if channels is not None and first is not None:
        wanted.setdefault(channels, first)
    wanted = {key: value for key, value in wanted.items() if key not in arguments}
    return make(**arguments, **wanted) if wanted else usual


def _misfits(
    expected: Mapping[str, Tensor], state: StateDict
) -> tuple[int, list[tuple[torch.Size, torch.Size]]]:
    """How many names two state dicts share, and the shapes of those that differ, in order."""
    shared = [key for key in expected if key in state]
    return len(shared), [
        (expected[key].shape, state[key].shape)
        for key in shared
        if expected[key].shape != state[key].shape and expected[key].ndim == state[key].ndim
    ]


def _optional(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except Exception as error:  # a broken installation raises whatever it likes
        package = name.partition(".")[0]
        raise UnsupportedModelError(
            f"{package} is not installed, or does not work ({type(error).__name__} on "
            f"importing it): pip install {package}"
        ) from error


def _attribute(module: str, name: str) -> Callable[..., object]:
    try:
        found = (
            _from_file(Path(module)) if module.endswith(".py") else importlib.import_module(module)
        )
        factory = getattr(found, name, None)
    except Exception as error:  # the user's own file raises whatever it likes
        raise UnsupportedModelError(
            f"the architecture {module}:{name} cannot be imported "
            f"({type(error).__name__}: {one_line(error)})"
        ) from error
    if factory is None:
        raise UnsupportedModelError(f"{module} has no {name}{_what_it_has(found, name)}")
    if not callable(factory):
        raise UnsupportedModelError(f"{module}:{name} is {factory!r}: name a class or a function")
    return factory  # type: ignore[no-any-return]


def _what_it_has(module: ModuleType, name: str) -> str:
    """The class or function of a module that may be meant, else some of them."""
    has = [
        key
        for key, value in vars(module).items()
        if callable(value) and getattr(value, "__module__", None) == module.__name__
    ]
    if near := difflib.get_close_matches(name, has, n=1):
        return f", did you mean {near[0]}?"
    return f": name one of {', '.join(has[:_NAMED])}" if has else ", and no class or function"


def _from_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"triggerfish_arch_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot import {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and pickling look their module up there
    spec.loader.exec_module(module)
    return module


def _carried_hints(network: nn.Module, name: str) -> Hints:
    """What a network of timm says itself (``pretrained_cfg``), and torchvision's of ImageNet."""
    source, _, rest = name.partition(":")
    if source == "torchvision" and _classes(network) == _IMAGENET:
        return _torchvision_hints(rest)
    config = getattr(network, "pretrained_cfg", None)
    if not isinstance(config, Mapping):
        return Hints("architecture")
    shape, mean, std = (config.get(key) for key in ("input_size", "mean", "std"))
    channels = next((v.shape[1] for v in network.state_dict().values() if v.ndim == 4), None)
    if shape and channels not in (None, shape[0]):  # made for other images than it was trained on
        shape, mean, std = (channels, *shape[1:]), None, None
    return Hints(
        "architecture (timm)",
        input_shape=(shape[0], shape[1], shape[2]) if shape else None,
        mean=tuple(mean) if mean else None,
        std=tuple(std) if std else None,
    )


def _classes(network: nn.Module) -> int:
    matrices = [value for value in network.state_dict().values() if value.ndim in (2, 4)]
    return int(matrices[-1].shape[0]) if matrices else 0


def _torchvision_hints(name: str) -> Hints:
    """What the weights that torchvision itself has for a network are fed: assumed for others."""
    try:
        models = importlib.import_module("torchvision.models")
        usual = models.get_model_weights(name).DEFAULT.transforms()
        side, mean, std = int(usual.crop_size[0]), tuple(usual.mean), tuple(usual.std)
    except (ImportError, AttributeError, ValueError, TypeError, IndexError):
        return Hints("architecture")
    return Hints(
        "usual for torchvision", input_shape=(3, side, side), mean=mean, std=std, assumed=True
    )
