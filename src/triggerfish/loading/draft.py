"""``triggerfish arch init``: a state dict -> Python source of a class that its weights fill.

What the file cannot tell stands in lines marked ``CHOICE``, with the alternatives that fit the
shapes. The file is for the user to edit; nothing here runs it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from keyword import iskeyword
from pathlib import Path

from triggerfish.errors import UnsupportedModelError
from triggerfish.loading.card import read_card
from triggerfish.loading.format import recognise
from triggerfish.loading.hints import LoadOptions
from triggerfish.loading.weights.chain_choices import Chain, chain_choices
from triggerfish.loading.weights.chain_layers import Layer, all_layers, chain_layers
from triggerfish.loading.weights.chain_text import ACTIVATIONS, split_step
from triggerfish.loading.weights.state_dict import StateDict

MARK = "CHOICE"
_SHOWN = 12
_WEIGHTLESS = {
    "flat": "x.flatten(1)",
    "global_avg": "F.adaptive_avg_pool2d(x, 1)",
}


@dataclass(frozen=True)
class Draft:
    """Python ``source``, how many of its lines are marked, and the ``chains`` that fit the shapes.

    The most usual chain comes first, and is the one that is written out. There are none where each
    leaves layers out: then the source has the most usual one, and a marked line for each of those.
    """

    source: str
    choices: int
    chains: tuple[Chain, ...]


def draft_architecture(path: Path, options: LoadOptions | None = None) -> Draft:
    """The draft for a model file that holds a state dict.

    Raises `UnsupportedModelError` when it holds a whole network, `CheckpointError` when it cannot
    be read.
    """
    kind, head = recognise(path)
    read_card(path)
    state = kind.read(path, head, options or LoadOptions()).state
    if state is None:
        raise UnsupportedModelError(
            f"expected weights without their network, got a {kind.name} that carries it: "
            f"triggerfish scan {path}"
        )
    return draft(state, path.name)


def draft(state: StateDict, name: str) -> Draft:
    """The draft for a state dict from a file called ``name``."""
    chains = chain_choices(state)
    layers = chain_layers(state)
    if chains:
        body = [*_modules(layers, chains), "", *_forward(layers, chains)]
    else:
        found = layers or all_layers(state)
        body = [*_modules(found, ()), *_others(found, state), "", *_open_forward(layers)]
    whole = tuple(chain for chain in chains if not _left_out(layers, chain))
    source = "\n".join([*_header(_harmless(name), whole), *body, ""])
    return Draft(source, source.count(f"# {MARK}"), whole)


def _left_out(layers: tuple[Layer, ...], chain: Chain) -> list[str]:
    """Names of layers that a chain does not run, as a second norm beside another."""
    run = {split_step(step)[0] for step in chain.text.split(",")}
    return [layer.name for layer in layers if layer.name not in run]


def _harmless(name: str) -> str:
    """A file's name for a docstring, and nothing that could end it."""
    return re.sub(r"[^\w.+-]", "_", name)


def _header(name: str, chains: tuple[Chain, ...]) -> list[str]:
    stem = name.rpartition(".")[0] or name
    lines = [
        f'"""Draft of the network in {name}, from the order and shapes of its weights.',
        "",
        f"Lines marked {MARK} are what the file cannot tell. Edit them, then run",
        f"    triggerfish scan {name} --arch {stem}_arch.py:Network",
    ]
    if chains:
        shown = chains[:_SHOWN]
        lines += ["", f"{len(chains)} wirings fit the shapes; written below is the first of"]
        lines += [f"    {_options(chain)}" for chain in shown]
        if len(chains) > len(shown):
            lines.append(f"    and {len(chains) - len(shown)} more unusual ones")
    imports = ["import torch.nn.functional as F", "from torch import Tensor, nn"]
    return [*lines, '"""', "", *imports, ""]


def _others(layers: tuple[Layer, ...], state: StateDict) -> list[str]:
    """A line for each tensor that is in no drafted layer: for the user to add."""
    known = {layer.name for layer in layers}
    rest = [(key, value) for key, value in state.items() if key.rpartition(".")[0] not in known]
    return [
        f"        # {MARK} a module for {_harmless(key)} of shape {tuple(value.shape)}"
        for key, value in rest
    ]


def _options(chain: Chain) -> str:
    return f"--arch chain:{chain.text} --input-shape {','.join(map(str, chain.input_shape))}"


def _modules(layers: tuple[Layer, ...], chains: tuple[Chain, ...]) -> list[str]:
    lines = [
        "",
        "class Network(nn.Module):",
        "    def __init__(self) -> None:",
        "        super().__init__()",
    ]
    lines += [_assignment(parent, "nn.ModuleDict()") for parent in _parents(layers)]
    for layer in layers:
        fitting = list(dict.fromkeys(_settings(layer.name, chain) for chain in chains)) or [(0, 1)]
        text = _assignment(layer.name, _constructor(layer, fitting[0]))
        if layer.kind == "conv" and len(fitting) > 1:
            others = "; ".join(f"padding={p}, stride={s}" for p, s in fitting[1:])
            text += f"  # {MARK} padding and stride; as well: {others}"
        if layer.kind == "conv" and not chains:
            text += f"  # {MARK} padding and stride"
        lines.append(text)
    return lines


def _parents(layers: tuple[Layer, ...]) -> list[str]:
    """Names of the modules that hold layers, the outer ones first."""
    parts = [layer.name.split(".")[:-1] for layer in layers]
    names = [".".join(part[: i + 1]) for part in parts for i in range(len(part))]
    return list(dict.fromkeys(names))


def _assignment(name: str, value: str) -> str:
    if name.isidentifier() and not iskeyword(name):
        return f"        self.{name} = {value}"
    if "." not in name:
        return f'        self.add_module("{name}", {value})'
    return f"        {_access(name)} = {value}"


def _access(name: str) -> str:
    """``features.0`` as an expression, where modules that hold others are `nn.ModuleDict`s."""
    first, *rest = name.split(".")
    plain = first.isidentifier() and not iskeyword(first)
    root = f"self.{first}" if plain else f'self.get_submodule("{first}")'
    return root + "".join(f'["{part}"]' for part in rest)


def _settings(name: str, chain: Chain) -> tuple[int, int]:
    """Padding and stride of a layer in a chain."""
    steps = chain.text.split(",")
    return next((split_step(step)[1:] for step in steps if split_step(step)[0] == name), (0, 1))


def _constructor(layer: Layer, settings: tuple[int, int]) -> str:
    bias = "" if layer.bias else ", bias=False"
    if layer.kind == "conv":
        out, channels, high, wide = layer.shape
        kernel = str(high) if high == wide else f"({high}, {wide})"
        padding, stride = settings
        return f"nn.Conv2d({channels}, {out}, {kernel}, padding={padding}, stride={stride}{bias})"
    if layer.kind == "linear":
        return f"nn.Linear({layer.shape[1]}, {layer.shape[0]}{bias})"
    return f"nn.BatchNorm{'2d' if layer.pictures else '1d'}({layer.shape[0]})"


def _forward(layers: tuple[Layer, ...], chains: tuple[Chain, ...]) -> list[str]:
    names = {layer.name for layer in layers}
    pooled = any("max" in chain.text or "avg" in chain.text for chain in chains[1:])
    lines = ["    def forward(self, x: Tensor) -> Tensor:"]
    lines += [
        f"        # {MARK} {_harmless(name)} runs nowhere yet: call it where it belongs"
        for name in _left_out(layers, chains[0])
    ]
    for step in chains[0].text.split(","):
        name = split_step(step)[0]
        if name in names:
            lines.append(f"        x = {_access(name)}(x)")
        elif step in _WEIGHTLESS:
            lines.append(f"        x = {_WEIGHTLESS[step]}")
        elif step in ACTIVATIONS:
            others = ", ".join(other for other in ACTIVATIONS if other != step)
            lines.append(f"        x = F.{step}(x)  # {MARK} activation; as well: {others}")
        else:
            lines.append(_pooling(step, pooled))
    return [*lines, "        return x"]


def _pooling(step: str, open_: bool) -> str:
    kind, window, stride = step[:3], step[3], step[-1] if "s" in step[3:] else step[3]
    other = "avg" if kind == "max" else "max"
    note = f"  # {MARK} kind and place; as well: {other}_pool2d" if open_ else ""
    return f"        x = F.{kind}_pool2d(x, {window}, {stride}){note}"


def _open_forward(layers: tuple[Layer, ...]) -> list[str]:
    """The forward pass where no wiring was found: for the user to write."""
    first = next((layer for layer in layers if layer.kind == "linear"), None)
    needs = f": {first.name} needs {first.shape[1]} values" if first else ""
    return [
        "    def forward(self, x: Tensor) -> Tensor:",
        f"        raise NotImplementedError(  # {MARK} the whole wiring",
        f'            "write the forward pass{needs}"',
        "        )",
    ]
